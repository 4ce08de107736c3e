// The status page: asks the control API as any other client does. All text goes in as text, never as HTML.
"use strict";
const ROWS_MAX = 50;
const $ = (id) => document.getElementById(id);
let last = 0;

async function ask(path, method = "GET", body) {
  const headers = { "x-murphy-who": "status page" };
  const token = sessionStorage.getItem("murphy-token");
  if (token) headers.authorization = `Bearer ${token}`;
  if (method !== "GET") headers["content-type"] = "application/json";
  const response = await fetch(`/api/v1/${path}`, { method, headers, body: body && JSON.stringify(body) });
  const answer = await response.json();
  $("login").hidden = response.status !== 401;
  if (!response.ok) throw new Error(answer.detail || answer.title || `status ${response.status}`);
  return answer;
}

function cell(text, style) {
  const td = document.createElement("td");
  td.textContent = text;
  if (style) td.className = style;
  return td;
}

function row(...cells) {
  const tr = document.createElement("tr");
  tr.append(...cells);
  return tr;
}

async function act(path, body) {
  try {
    const answer = await ask(path, "POST", body);
    $("trouble").textContent = (answer.warnings || []).join("\n");
  } catch (error) {
    $("trouble").textContent = error.message;
  }
  await look();
}

function showSwitch(status) {
  const { state, trip, lock } = status.kill_switch;
  $("version").textContent = status.version;
  $("state").textContent = status.draining ? "stopping" : state;
  $("state").className = `state ${state === "armed" ? "good" : "bad"}`;
  $("kill").disabled = state !== "armed";
  $("rearm").hidden = state !== "tripped";
  const because = (record) => `${record.at}, ${record.who}${record.reason ? `: ${record.reason}` : ""}`;
  const why = [];
  if (lock) why.push(`locked ${because(lock)}`);
  if (trip) why.push(`tripped (${trip.trigger}) ${because(trip)}`);
  if (!status.reload.ok) why.push("the files on disk were refused: what was loaded before goes on running");
  $("why").textContent = why.join(" · ");
}

function showScenarios(scenarios) {
  $("scenarios").replaceChildren(...scenarios.map((scenario) => {
    const button = document.createElement("button");
    const on = scenario.active;
    button.textContent = on ? "Off" : "On";
    button.onclick = () => act(`scenarios/${encodeURIComponent(scenario.name)}/${on ? "deactivate" : "activate"}`, {});
    const last = document.createElement("td");
    last.append(button);
    const until = on ? (on.until || "switched off") : "";
    return row(cell(scenario.name, on ? "mono warn" : "mono"), cell(scenario.description),
      cell(scenario.rules.map((rule) => `${rule.name} (${rule.fault})`).join(", "), "dim"), cell(until), last);
  }));
}

function showExchanges(exchanges) {
  for (const exchange of exchanges) {
    last = Math.max(last, exchange.id);
    const faults = exchange.faults.map((fault) => `${fault.scenario}/${fault.rule}`).join(", ");
    const style = exchange.outcome === "ok" ? "good" : "bad";
    $("exchanges").prepend(row(cell(exchange.at, "mono"), cell(exchange.route),
      cell(`${exchange.method} ${exchange.path}`, "mono"), cell(`${exchange.status ?? "–"} ${exchange.outcome}`, style),
      cell(exchange.cause), cell(exchange.duration_ms.toFixed(1), "num"), cell(faults, "warn")));
  }
  while ($("exchanges").rows.length > ROWS_MAX) $("exchanges").lastElementChild.remove();
}

async function look() {
  const [status, scenarios, exchanges] = await Promise.all([
    ask("status"), ask("scenarios"), ask(last ? `exchanges?after=${last}&limit=1000` : `exchanges?limit=${ROWS_MAX}`),
  ]);
  showSwitch(status);
  showScenarios(scenarios);
  showExchanges(exchanges);
}

async function watch() {
  try {
    await look();
    if ($("state").dataset.lost) { $("trouble").textContent = ""; delete $("state").dataset.lost; }
  } catch (error) {
    $("trouble").textContent = error.message;
    $("state").dataset.lost = "yes";
  }
  setTimeout(watch, document.hidden ? 5000 : 1000);
}

$("kill").onclick = () => act("kill-switch/trip", { reason: "the button of the status page" });
$("rearm").onclick = () => act("kill-switch/rearm", {});
$("login").onsubmit = (event) => {
  event.preventDefault();
  sessionStorage.setItem("murphy-token", $("token").value.trim());
  look().catch((error) => { $("trouble").textContent = error.message; });
};
watch();
