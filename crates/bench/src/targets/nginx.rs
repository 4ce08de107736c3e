//! nginx as a reverse proxy with fair settings: connections to the upstream are kept, nothing is logged, and
//! streams are not buffered.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::sleep;

use super::PREFIX;
use crate::Void;
use crate::process::{Program, Server};

/// How often it is tried to connect, and how far apart.
const TRIES: usize = 200;
const BETWEEN: Duration = Duration::from_millis(25);

/// Starts it and waits until it takes connections.
///
/// # Errors
/// If it does not.
pub async fn start(
    path: &Path,
    folder: &Path,
    workers: usize,
    core: Option<usize>,
    upstream: SocketAddr,
) -> Result<Server, Void> {
    let listen = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?; // free now, and likely still then
    let configuration = configuration(listen, workers, upstream);
    std::fs::write(folder.join("nginx.conf"), configuration)?;
    let prefix = folder.display().to_string();
    let args = ["-p", &prefix, "-c", "nginx.conf", "-e", "error.log"];
    let program = Program::new(path, args, folder).on(core);
    let mut child = program.spawn()?;
    for _ in 0..TRIES {
        if child.try_wait()?.is_some() {
            return Err(program.error("ended before it listened").into());
        }
        if TcpStream::connect(listen).await.is_ok() {
            return Ok(program.server(child, vec![listen])?);
        }
        sleep(BETWEEN).await;
    }
    Err(program.error("does not listen").into())
}

/// Streams have a location of their own without buffering, as an operator would configure it.
fn configuration(listen: SocketAddr, workers: usize, upstream: SocketAddr) -> String {
    let proxied = "proxy_pass http://origin;\n      proxy_http_version 1.1;\n      \
                   proxy_set_header Connection \"\";\n      proxy_max_temp_file_size 0;";
    format!(
        "daemon off;
worker_processes {workers};
worker_rlimit_nofile 20000;
pid nginx.pid;
error_log error.log crit;
events {{ worker_connections 16384; }}
http {{
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  tcp_nodelay on;
  keepalive_timeout 300s;
  keepalive_requests 1000000000;
  upstream origin {{
    server {upstream};
    keepalive 512;
    keepalive_requests 1000000000;
  }}
  server {{
    listen {listen} backlog=4096;
    location {PREFIX}/ {{
      {proxied}
    }}
    location ~ ^{PREFIX}/(events|paced)/ {{
      {proxied}
      proxy_buffering off;
    }}
  }}
}}
"
    )
}
