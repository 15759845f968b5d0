//! The service that timers start: a hardened oneshot that applies what is due.

use super::Host;

/// The text of the unit. `exposure` of it is measured by a test.
pub(super) fn text(host: &Host) -> String {
    let Host { name, credentials, .. } = host;
    let credentials: String = credentials
        .iter()
        .map(|credential| format!("LoadCredential={credential}:/etc/{name}/{credential}\n"))
        .collect();
    let command = host.command().iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
    format!(
        "\
[Unit]
Description=Send the push campaigns that are due
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
ExecStart={command}
# A user of its own that exists while the service runs. Its state stays.
DynamicUser=yes
User={name}
StateDirectory={name}
StateDirectoryMode=0700
UMask=0077
{credentials}\
# A run takes as long as it takes; to stop, calls in flight are waited for (5 s).
TimeoutStartSec=infinity
TimeoutStopSec=30s
KillMode=mixed
KillSignal=SIGINT
# What can be gone on with: a run that stopped (4), another runner's lock (8), a crash. All else wants a person.
Restart=on-failure
RestartSec=30s
RestartPreventExitStatus=1 2 3 5 6 7 64
# Large audiences are sorted in temporary files: on a disk, and removed with the service.
PrivateTmp=yes
Environment=TMPDIR=/var/tmp

{HARDENING}"
    )
}

const HARDENING: &str = "\
AmbientCapabilities=
CapabilityBoundingSet=
DevicePolicy=closed
KeyringMode=private
LockPersonality=yes
MemoryDenyWriteExecute=yes
NoNewPrivileges=yes
PrivateDevices=yes
PrivateUsers=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHome=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
ProtectSystem=strict
RemoveIPC=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallErrorNumber=EPERM
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
";

/// A word of a command line in a unit file (systemd.service(5), systemd.unit(5)).
fn quoted(word: &str) -> String {
    let escaped = word.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%").replace('$', "$$");
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./@+:,=%".contains(c);
    if escaped.chars().all(plain) { escaped } else { format!("\"{escaped}\"") }
}
