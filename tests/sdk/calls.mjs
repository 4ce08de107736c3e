// Makes calls with Node's built-in fetch (undici) and prints what came of each.
//
// Reads a JSON list of calls from stdin: {"url", "headers", "timeout"}. Prints a JSON list in the same order:
// {"status", "code"} if the body could be read as JSON (its member "code", if it has one), else
// {"error", "chain", "message"}, where chain is the names, messages and codes of the error and its causes,
// outermost first.

const input = await new Response(process.stdin).text();

function chain(error) {
  const names = [];
  for (let one = error; one && names.length < 64; one = one.cause) {
    names.push(one.name, one.message);
    if (one.code) names.push(String(one.code));
  }
  return names;
}

async function made(call) {
  try {
    const signal = AbortSignal.timeout(call.timeout * 1000);
    const response = await fetch(call.url, { headers: call.headers, signal });
    return { status: response.status, code: (await response.json()).code };
  } catch (error) {
    return { error: error.name, chain: chain(error), message: error.message };
  }
}

const results = [];
for (const call of JSON.parse(input)) results.push(await made(call));
process.stdout.write(JSON.stringify(results));
