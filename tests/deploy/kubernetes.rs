//! The manifests in `deploy/kubernetes/`, without a cluster: valid by the schemas of Kubernetes, complete, hardened,
//! and in agreement with each other.

use std::collections::BTreeSet;
use std::process::Command;

use murphy_director::settings::Settings;
use serde_json::{Value, json};

use super::support::{documents, fails, linter, list, passes, root, settings, stop_seconds, text, word};

/// The oldest Kubernetes that has native sidecars without a switch, and the newest whose schemas are at hand.
const VERSIONS: [&str; 2] = ["1.29", "1.37"];
/// Every way of running Murphy there, and the workload in it.
pub(crate) const WAYS: [&str; 2] = ["gateway", "sidecar"];

fn folder(way: &str) -> String {
    format!("deploy/kubernetes/{way}")
}

/// The paths of the manifests that a kustomization names.
fn named(way: &str) -> Vec<String> {
    let kustomization = &documents(&format!("{}/kustomization.yaml", folder(way)))[0];
    list(kustomization, "resources")
        .iter()
        .map(|resource| format!("{}/{}", folder(way), resource.as_str().unwrap()))
        .collect()
}

/// All objects of a kustomization.
pub(crate) fn objects(way: &str) -> Vec<Value> {
    named(way).iter().flat_map(|path| documents(path)).collect()
}

/// All of a kind.
pub(crate) fn of_kind(way: &str, kind: &str) -> Vec<Value> {
    let mut objects = objects(way);
    objects.retain(|object| object["kind"] == kind);
    objects
}

/// The pod of the way's deployment, with its labels.
fn pod(way: &str) -> (Value, Value) {
    let mut found = of_kind(way, "Deployment");
    assert_eq!(found.len(), 1, "{way}");
    let mut deployment = found.remove(0);
    let template = deployment["spec"]["template"].take();
    assert_eq!(
        deployment["spec"]["selector"]["matchLabels"]
            .as_object()
            .map(|labels| {
                labels
                    .iter()
                    .all(|(key, value)| template["metadata"]["labels"][key] == *value)
            }),
        Some(true),
        "{way}: the selector does not match the pod"
    );
    (template["spec"].clone(), template["metadata"]["labels"].clone())
}

fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    list(pod, "initContainers").iter().chain(list(pod, "containers"))
}

/// The container that is Murphy.
pub(crate) fn murphy(way: &str) -> Value {
    let (pod, _) = pod(way);
    let found = containers(&pod).find(|container| container["name"] == "murphy");
    found.expect("Murphy's container").clone()
}

/// The data of the ConfigMap that is mounted at a path.
pub(crate) fn mounted(way: &str, path: &str) -> Vec<(String, String)> {
    let container = murphy(way);
    let mount = list(&container, "volumeMounts")
        .iter()
        .find(|mount| mount["mountPath"] == path);
    let volume = word(
        mount.unwrap_or_else(|| panic!("{way}: nothing at {path}")),
        "name",
    )
    .to_owned();
    let (pod, _) = pod(way);
    let volume = list(&pod, "volumes")
        .iter()
        .find(|found| found["name"] == *volume)
        .cloned()
        .unwrap();
    let name = word(&volume["configMap"], "name");
    let maps = of_kind(way, "ConfigMap");
    let map = maps.iter().find(|map| map["metadata"]["name"] == *name);
    let data = map.unwrap_or_else(|| panic!("{way}: no ConfigMap {name}"))["data"]
        .as_object()
        .unwrap();
    data.iter()
        .map(|(key, value)| (key.clone(), value.as_str().unwrap().to_owned()))
        .collect()
}

/// The configuration in the ConfigMap.
pub(crate) fn config(way: &str) -> String {
    let mut files = mounted(way, "/etc/murphy/config");
    assert_eq!(files.len(), 1, "{way}");
    let (name, text) = files.remove(0);
    let args = murphy(way)["args"].clone();
    assert_eq!(
        args,
        json!(["serve", "--config", format!("/etc/murphy/config/{name}")])
    );
    text
}

fn config_settings(way: &str) -> Settings {
    settings(&config(way))
}

#[test]
fn the_schemas_of_kubernetes_accept_them() {
    let Some(linter) = linter("kubernetes-validate") else {
        return;
    };
    let validate = |version: &str, paths: &[std::path::PathBuf]| {
        let mut command = Command::new(&linter);
        command
            .args(["--kubernetes-version", version, "--strict"])
            .args(paths);
        command
    };
    for way in WAYS {
        let paths: Vec<_> = named(way).iter().map(|path| root().join(path)).collect();
        for version in VERSIONS {
            let said = passes(&mut validate(version, &paths));
            let passed = said.matches(" passed for resource ").count();
            assert_eq!(passed, objects(way).len(), "{said}");
        }
    }
    let temporary = tempfile::tempdir().unwrap();
    let bad = temporary.path().join("deployment.yaml");
    let good = text("deploy/kubernetes/gateway/deployment.yaml");
    std::fs::write(&bad, good.replace("readinessProbe", "readynessProbe")).unwrap();
    assert!(
        fails(&mut validate(VERSIONS[0], &[bad])).contains("readynessProbe"),
        "it would notice"
    );
}

/// Every file is in its kustomization, and kustomize finds it so (kubectl has it built in).
#[test]
fn kustomizations_are_whole() {
    for way in ["gateway", "sidecar", "monitoring"] {
        let on_disk: BTreeSet<String> = std::fs::read_dir(root().join(folder(way)))
            .unwrap()
            .map(|entry| format!("{}/{}", folder(way), entry.unwrap().file_name().to_str().unwrap()))
            .filter(|path| !path.ends_with("/kustomization.yaml"))
            .collect();
        assert_eq!(on_disk, named(way).into_iter().collect());
        let Some(kubectl) = super::support::program("kubectl", "kubernetes-client") else {
            continue;
        };
        let built = passes(
            Command::new(kubectl)
                .arg("kustomize")
                .arg(root().join(folder(way))),
        );
        let built: Vec<Value> = serde_saphyr::from_multiple(&built).unwrap();
        assert_eq!(built.len(), objects(way).len(), "{way}");
    }
}

/// The restricted level of the Pod Security Standards, and no token of a service account.
#[test]
fn every_pod_is_restricted() {
    for way in WAYS {
        let (pod, _) = pod(way);
        assert_eq!(pod["automountServiceAccountToken"], false, "{way}");
        let context = &pod["securityContext"];
        assert_eq!(context["runAsNonRoot"], true, "{way}");
        assert!(
            context["runAsUser"].as_u64().is_some_and(|user| user > 0),
            "{way}"
        );
        assert_eq!(context["seccompProfile"]["type"], "RuntimeDefault", "{way}");
        for forbidden in ["hostNetwork", "hostPID", "hostIPC", "hostAliases"] {
            assert!(pod.get(forbidden).is_none(), "{way}: {forbidden}");
        }
        for volume in list(&pod, "volumes") {
            assert!(volume.get("hostPath").is_none(), "{way}: {volume}");
        }
        for container in containers(&pod) {
            let name = format!("{way}: {}", word(container, "name"));
            let context = &container["securityContext"];
            assert_eq!(context["allowPrivilegeEscalation"], false, "{name}");
            assert_eq!(context["readOnlyRootFilesystem"], true, "{name}");
            assert_eq!(context["capabilities"], json!({ "drop": ["ALL"] }), "{name}");
            assert!(
                context.get("privileged").is_none() && context.get("runAsUser").is_none(),
                "{name}"
            );
            for bound in [
                &container["resources"]["requests"]["cpu"],
                &container["resources"]["limits"]["memory"],
            ] {
                assert!(bound.is_string(), "{name}: requests and limits are missing");
            }
            let tag = word(container, "image")
                .rsplit_once(':')
                .map(|(_, tag)| tag)
                .unwrap_or_default();
            assert!(
                tag.starts_with(|c: char| c.is_ascii_digit()),
                "{name}: the image has no version"
            );
        }
    }
}

#[test]
fn nothing_is_mounted_by_sub_path_and_every_mount_has_its_volume() {
    for way in ["gateway", "sidecar", "monitoring"] {
        for path in named(way) {
            let lines = text(&path);
            let mut keys = lines.lines().map(|line| line.split('#').next().unwrap());
            assert!(keys.all(|line| !line.contains("subPath")), "{path}");
        }
    }
    for way in WAYS {
        let (pod, _) = pod(way);
        for container in containers(&pod) {
            for mount in list(container, "volumeMounts") {
                let found = list(&pod, "volumes")
                    .iter()
                    .find(|volume| volume["name"] == mount["name"]);
                let volume = found.unwrap_or_else(|| panic!("{way}: no volume for {mount}"));
                let writable =
                    volume.get("emptyDir").is_some() || volume.get("persistentVolumeClaim").is_some();
                assert_eq!(mount["readOnly"] == true, !writable, "{way}: {mount}");
            }
        }
        let settings = config_settings(way);
        let mounts: Vec<Value> = list(&murphy(way), "volumeMounts").to_vec();
        let at = |path: &std::path::Path| mounts.iter().any(|mount| path == word(mount, "mountPath"));
        assert!(
            at(settings.kill_switch.state_file.parent().unwrap()),
            "{way}: the latch lies elsewhere"
        );
        assert!(
            at(settings.control.token_file.as_deref().unwrap().parent().unwrap()),
            "{way}: the token lies elsewhere"
        );
    }
}

#[test]
fn ports_and_probes_are_those_of_the_configuration() {
    for way in WAYS {
        let (container, settings) = (murphy(way), config_settings(way));
        let port = |name: &str| {
            let ports = list(&container, "ports");
            let found = ports.iter().find(|port| port["name"] == name);
            found.unwrap_or_else(|| panic!("{way}: no port {name}"))["containerPort"].clone()
        };
        assert_eq!(port("http"), json!(settings.proxy.listen.port()), "{way}");
        assert_eq!(port("control"), json!(settings.control.listen.port()), "{way}");
        // The kubelet comes from outside the pod's loopback, and so does Prometheus.
        assert!(settings.control.listen.ip().is_unspecified(), "{way}");
        assert_eq!(
            settings.proxy.listen.ip().is_loopback(),
            way == "sidecar",
            "{way}"
        );
        for (probe, path) in [
            ("startupProbe", "/readyz"),
            ("readinessProbe", "/readyz"),
            ("livenessProbe", "/healthz"),
        ] {
            assert_eq!(
                container[probe]["httpGet"],
                json!({ "path": path, "port": "control" }),
                "{way}: {probe}"
            );
        }
        assert_eq!(
            word(&container, "image"),
            concat!("murphy:", env!("CARGO_PKG_VERSION")),
            "{way}"
        );
        let (pod, _) = pod(way);
        let grace = pod["terminationGracePeriodSeconds"].as_u64().unwrap();
        assert!(
            grace > stop_seconds(&settings),
            "{way}: {grace} s is too short to drain"
        );
    }
    let sidecar = pod("sidecar").0;
    assert_eq!(
        sidecar["initContainers"][0]["restartPolicy"], "Always",
        "a native sidecar"
    );
}

/// Whether a selector's labels are all among these.
fn selects(selector: &Value, labels: &Value) -> bool {
    let wanted = selector.as_object().expect("labels");
    !wanted.is_empty() && wanted.iter().all(|(key, value)| labels[key] == *value)
}

#[test]
fn what_selects_pods_finds_them_and_their_ports() {
    let (_, labels) = pod("gateway");
    let service = &of_kind("gateway", "Service")[0]["spec"];
    assert!(selects(&service["selector"], &labels));
    assert_eq!(list(service, "ports").len(), 1, "the control API has no service");
    assert_eq!(service["ports"][0]["targetPort"], "http");
    let policy = &of_kind("gateway", "NetworkPolicy")[0]["spec"];
    assert!(selects(&policy["podSelector"]["matchLabels"], &labels));
    let open: Vec<&Value> = list(policy, "ingress")
        .iter()
        .flat_map(|rule| list(rule, "ports"))
        .collect();
    assert_eq!(
        open.iter().map(|port| &port["port"]).collect::<Vec<_>>(),
        ["http", "control"]
    );
    assert!(
        list(policy, "ingress")
            .iter()
            .all(|rule| !list(rule, "from").is_empty()),
        "open to all"
    );

    let monitors = objects("monitoring");
    assert_eq!(monitors.len(), 2);
    for (monitor, way) in monitors.iter().zip(WAYS) {
        assert_eq!(
            (word(monitor, "apiVersion"), word(monitor, "kind")),
            ("monitoring.coreos.com/v1", "PodMonitor")
        );
        let (pod, labels) = pod(way);
        assert!(
            selects(&monitor["spec"]["selector"]["matchLabels"], &labels),
            "{way}"
        );
        let endpoint = &monitor["spec"]["podMetricsEndpoints"][0];
        assert_eq!(
            (word(endpoint, "port"), word(endpoint, "path")),
            ("control", "/metrics")
        );
        // The token that Murphy is given is the one that Prometheus sends.
        let given = &endpoint["authorization"]["credentials"];
        let secrets: Vec<&Value> = list(&pod, "volumes")
            .iter()
            .filter_map(|volume| volume["secret"].get("secretName"))
            .collect();
        assert_eq!(secrets, [&given["name"]], "{way}");
        let file = config_settings(way).control.token_file.unwrap();
        assert_eq!(
            file.file_name().unwrap().to_str().unwrap(),
            word(given, "key"),
            "{way}"
        );
        let job = json!({ "targetLabel": "job", "replacement": "murphy" });
        assert!(
            list(endpoint, "relabelings").contains(&job),
            "{way}: the alert rules name the job"
        );
    }
}
