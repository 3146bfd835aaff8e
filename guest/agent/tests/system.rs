//! What `SystemService` promises, against a real agent in namespaces of its own: it may change names, mounts and
//! networks there, and never this machine's.

mod support;

use kelpie_guest::api::mount_request::Source;
use kelpie_guest::api::{
    ConfigureNetworkRequest, GetHealthRequest, GetInfoRequest, MountRequest, Network, NetworkInterface,
    PrepareSnapshotRequest, ResumeRequest, SetHostnameRequest, SetMachineIdRequest, ShutdownRequest,
    SyncRequest, TmpfsSource, UnmountRequest,
};
use std::process::Command;
use support::{Agent, shell};
use tonic::Code;

/// An own /etc and /sys, and a network with nothing but a loopback and, where it can be made, a cable.
const SETUP: &str = "mount -t tmpfs tmpfs /etc && mount -t sysfs sysfs /sys || exit 1
(ip link add kelpie0 type veth peer name kelpie1 && ip link set kelpie1 up) 2>/dev/null; exec \"$@\"";

/// An agent in namespaces of its own; none where that is not allowed.
fn isolated() -> Option<Agent> {
    let unshare = ["unshare", "--net", "--uts", "--mount", "--propagation", "private"];
    let allowed =
        Command::new("unshare").args(&unshare[1..]).args(["sh", "-c", SETUP, "sh", "true"]).output();
    if !allowed.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: namespaces are not allowed here");
        return None;
    }
    Some(Agent::start_by(&[&unshare[..], &["sh", "-c", SETUP, "sh"]].concat()))
}

#[tokio::test]
async fn names_are_set_in_the_kernel_and_in_their_files() {
    let Some(agent) = isolated() else { return };
    let channel = agent.connect().await;
    let mut system = channel.system();
    system.set_hostname(SetHostnameRequest { hostname: "box-7".into() }).await.unwrap();
    let machine_id = "0123456789abcdef0123456789abcdef".to_owned();
    system.set_machine_id(SetMachineIdRequest { machine_id: machine_id.clone() }).await.unwrap();
    let ran = channel.run(shell("uname -n; cat /etc/hostname /etc/machine-id")).await;
    assert_eq!(ran.text(), format!("box-7\nbox-7\n{machine_id}\n"));
    assert_eq!(channel.agent().get_info(GetInfoRequest {}).await.unwrap().into_inner().hostname, "box-7");
}

#[tokio::test]
async fn mounts_come_and_go() {
    let Some(agent) = isolated() else { return };
    let channel = agent.connect().await;
    let mut system = channel.system();
    let target = agent.directory.join("mount").to_str().unwrap().to_owned();
    let tmpfs = Some(Source::Tmpfs(TmpfsSource { size_bytes: 1 << 20, mode: Some(0o700) }));
    let request =
        MountRequest { source: tmpfs, target: target.clone(), restricted: true, ..Default::default() };
    system.mount(request).await.unwrap();
    let mounted = channel.run(shell(&format!("grep {target} /proc/mounts"))).await.text();
    for option in ["tmpfs", "noexec", "nosuid", "nodev", "size=1024k", "mode=700"] {
        assert!(mounted.contains(option), "{option} in {mounted}");
    }
    system.unmount(UnmountRequest { target: target.clone(), lazy: false }).await.unwrap();
    assert_eq!(
        system.unmount(UnmountRequest { target: target.clone(), lazy: false }).await.unwrap_err().code(),
        Code::InvalidArgument
    );

    let bind = MountRequest {
        source: Some(Source::BindPath("/usr".into())),
        target: target.clone(),
        read_only: true,
        ..Default::default()
    };
    system.mount(bind).await.unwrap();
    let ran = channel.run(shell(&format!("ls {target} | grep -c bin; touch {target}/x 2>&1"))).await;
    assert!(ran.text().contains("Read-only"), "{}", ran.text());
    system.unmount(UnmountRequest { target: target.clone(), lazy: true }).await.unwrap();

    let absent =
        MountRequest { source: Some(Source::NinepTag("absent".into())), target, ..Default::default() };
    assert!(system.mount(absent).await.is_err());
}

#[tokio::test]
async fn a_network_is_set_and_set_anew() {
    let Some(agent) = isolated() else { return };
    let channel = agent.connect().await;
    if channel.run(shell("test -e /sys/class/net/kelpie0")).await.code() != Some(0) {
        eprintln!("skipped: no cable could be made: this kernel has no veth, or there is no ip");
        return;
    }
    let configure = async |addresses: &[&str], gateways: &[&str]| {
        let text = |list: &[&str]| list.iter().map(|item| (*item).to_owned()).collect();
        let interface = NetworkInterface {
            name: String::new(),
            mac: "02:00:00:00:00:07".into(),
            addresses: text(addresses),
            gateways: text(gateways),
            mtu: 1400,
        };
        let named = NetworkInterface { name: "kelpie0".into(), ..interface };
        let network = Network {
            interfaces: vec![named],
            name_servers: vec!["10.9.0.3".into()],
            search_domains: vec![],
        };
        channel
            .system()
            .configure_network(ConfigureNetworkRequest { network: Some(network), wait_ms: 0 })
            .await
            .map(|_| ())
    };
    let show =
        async || channel.run(shell("ip addr show kelpie0; ip route; cat /etc/resolv.conf")).await.text();
    configure(&["10.9.0.15/24", "fd00::5/64"], &["10.9.0.2"]).await.unwrap();
    let shown = show().await;
    for part in [
        "10.9.0.15/24",
        "fd00::5/64",
        "02:00:00:00:00:07",
        "mtu 1400",
        "default via 10.9.0.2",
        "nameserver 10.9.0.3",
    ] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    configure(&["10.9.1.16/24"], &["10.9.1.2"]).await.unwrap();
    let shown = show().await;
    assert!(
        shown.contains("10.9.1.16/24") && !shown.contains("10.9.0.15") && !shown.contains("fd00::5"),
        "{shown}"
    );
    assert!(configure(&["10.9.1.16/24"], &["192.0.2.1"]).await.is_err(), "a gateway that cannot be reached");
}

#[tokio::test]
async fn a_snapshot_is_prepared_for_and_resumed_from() {
    let Some(agent) = isolated() else { return };
    let channel = agent.connect().await;
    let before = channel.agent().get_info(GetInfoRequest {}).await.unwrap().into_inner().instance_id;
    channel.system().sync(SyncRequest {}).await.unwrap();
    channel.system().prepare_snapshot(PrepareSnapshotRequest { keep_running: true }).await.unwrap();
    support::eventually("the session's end", || channel.is_closed()).await;

    let channel = agent.connect().await;
    let stream = channel.processes().exec(tokio_stream::iter([support::start("", shell("true"))])).await;
    assert_eq!(stream.map(|_| ()).unwrap_err().code(), Code::FailedPrecondition);
    let again = channel.system().prepare_snapshot(PrepareSnapshotRequest::default()).await;
    assert_eq!(again.unwrap_err().code(), Code::FailedPrecondition);
    let bad = ResumeRequest {
        network: Some(Network { name_servers: vec!["x".into()], ..Default::default() }),
        ..Default::default()
    };
    assert_eq!(channel.system().resume(bad).await.unwrap_err().code(), Code::InvalidArgument);

    let request = ResumeRequest { hostname: "clone".into(), ..Default::default() };
    let after = channel.system().resume(request).await.unwrap().into_inner().instance_id;
    assert_ne!(after, before);
    assert_eq!(channel.run(shell("uname -n")).await.text(), "clone\n");
    let health = channel.agent().get_health(GetHealthRequest {}).await.unwrap().into_inner();
    assert_eq!(health.state(), kelpie_guest::api::AgentState::Ready);
}

#[tokio::test]
async fn an_agent_that_is_in_no_machine_of_its_own_ends_none() {
    let agent = Agent::start();
    let status = agent.connect().await.system().shutdown(ShutdownRequest { action: 0 }).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
}
