//! What the image would hold, laid out by the COPY lines of the Dockerfile and run as the engine would run it: in a
//! root folder without anything else, in a network of its own (so the ports are free), as the user of the image, with
//! its ENTRYPOINT, CMD and HEALTHCHECK. Only root may do so.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use murphy_testkit::daemon::binary;
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::Instant;

use super::image::{all, exec_form, last};
use super::support::{passes, program, root, skip};

/// The shared libraries that distroless/cc has (glibc, libgcc), besides the loader.
const LIBRARIES: [&str; 4] = ["libc.so.6", "libgcc_s.so.1", "libm.so.6", "linux-vdso.so.1"];
const SOON: Duration = Duration::from_secs(20);
/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

fn copy_tree(from: &Path, to: &Path) {
    if from.is_file() {
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(from, to).unwrap();
        return;
    }
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        copy_tree(&entry.path(), &to.join(entry.file_name()));
    }
}

/// Lays the image out in a folder, with the built binary where the release one would be.
fn lay_out(image: &Path) {
    let inside = |path: &str| image.join(path.trim_start_matches('/'));
    for copy in all("COPY") {
        let words: Vec<&str> = copy.split(' ').collect();
        let [.., from, to] = words[..] else {
            panic!("{copy}")
        };
        match from.strip_prefix("/src/") {
            Some(path) => copy_tree(&root().join(path), &inside(to)),
            None if from == "/out/murphy" => copy_tree(&binary(), &inside(to)),
            None => fs::create_dir_all(inside(to)).unwrap(),
        }
        if let Some(owner) = words.iter().find_map(|word| word.strip_prefix("--chown=")) {
            let (uid, gid) = owner.split_once(':').unwrap();
            chown(inside(to), Some(uid.parse().unwrap()), Some(gid.parse().unwrap())).unwrap();
        }
    }
    for library in libraries() {
        copy_tree(Path::new(&library), &inside(&library));
    }
    fs::set_permissions(image, fs::Permissions::from_mode(0o755)).unwrap();
}

/// The paths of the binary's shared libraries, all of which distroless/cc must have.
fn libraries() -> Vec<String> {
    let listed = passes(Command::new("ldd").arg(binary()));
    let mut paths = Vec::new();
    for line in listed.lines() {
        let name = line.split_whitespace().next().unwrap();
        let file = name.rsplit('/').next().unwrap();
        assert!(
            LIBRARIES.contains(&file) || file.starts_with("ld-linux"),
            "distroless/cc has no {file}: {listed}"
        );
        let path = line.split_whitespace().find(|word| word.starts_with('/'));
        paths.extend(path.map(str::to_owned));
    }
    assert!(paths.len() >= 3, "{listed}");
    paths
}

/// The arguments of `unshare` or `nsenter` that make a command run in the image as its user.
fn as_the_image_does(command: &mut Command, image: &Path) {
    let user = last("USER");
    let (uid, gid) = user.split_once(':').unwrap();
    command
        .arg(format!("--root={}", image.display()))
        .arg(format!("--setgid={gid}"))
        .arg(format!("--setuid={uid}"));
}

async fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + SOON;
    while !holds() {
        assert!(Instant::now() < deadline, "not within {SOON:?}: {what}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

#[tokio::test]
async fn the_image_starts_is_healthy_and_drains() {
    let tools = ["unshare", "nsenter", "ip", "ldd"];
    let packages = ["util-linux", "util-linux", "iproute2", "libc-bin"];
    if tools
        .iter()
        .zip(packages)
        .any(|(tool, package)| program(tool, package).is_none())
    {
        return;
    }
    let alone = Command::new("unshare")
        .args(["--net", "ip", "link", "set", "lo", "up"])
        .output();
    if !alone.is_ok_and(|output| output.status.success()) {
        return skip("running what the image holds needs root (unshare --net, --root)");
    }
    let image = tempfile::tempdir().unwrap();
    lay_out(image.path());
    let entry = [exec_form(&last("ENTRYPOINT")), exec_form(&last("CMD"))].concat();
    let mut inner = Command::new("unshare");
    as_the_image_does(&mut inner, image.path());
    inner
        .arg(format!("--wd={}", last("WORKDIR")))
        .arg("--")
        .args(&entry);
    let inner: Vec<&OsStr> = std::iter::once(inner.get_program())
        .chain(inner.get_args())
        .collect();
    let log = image.path().join("log");
    let mut child = Command::new("unshare")
        .args(["--net", "sh", "-c", "ip link set lo up && exec \"$@\"", "sh"])
        .args(inner)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();

    let id = child.id();
    let enter = |arguments: &[String]| {
        let mut command = Command::new("nsenter");
        command.arg(format!("--target={id}")).arg("--net");
        as_the_image_does(&mut command, image.path());
        command.arg("--").args(arguments).output().unwrap()
    };
    let check = last("HEALTHCHECK");
    let check = exec_form(check.split_once("CMD ").expect("a command").1);
    let healthy = || enter(&check).status.success();
    wait_until("the health check passes", healthy).await;
    // The scenarios of the image, and its latch on the one place that can be written.
    let murphy = exec_form(&last("ENTRYPOINT"));
    let on = enter(&[&murphy[..], &["on", "slow", "--for", "60s"].map(str::to_owned)].concat());
    assert!(on.status.success(), "{on:?}");
    let killed = enter(&[&murphy[..], &["kill", "enough"].map(str::to_owned)].concat());
    assert!(killed.status.success(), "{killed:?}");
    assert!(image.path().join("var/lib/murphy/murphy-state.json").is_file());
    assert!(healthy(), "a tripped kill switch is ready");

    let elsewhere = [
        &check[..],
        &["--control", "http://127.0.0.1:1"].map(str::to_owned),
    ]
    .concat();
    assert!(
        !enter(&elsewhere).status.success(),
        "the health check would notice"
    );

    let id = i32::try_from(id).ok().and_then(Pid::from_raw).unwrap();
    assert_eq!(last("STOPSIGNAL"), "SIGTERM");
    kill_process(id, Signal::TERM).unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(0), "{}", fs::read_to_string(&log).unwrap());
}
