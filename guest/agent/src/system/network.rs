//! Gives interfaces their addresses and routes, and the resolver its servers.

use super::identity::replace;
use super::netlink::{Routing, default_route, set_address, set_link};
use crate::api::{Network, NetworkInterface};
use crate::errors::{invalid, status};
use rustix::io::Errno;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::Path;
use tonic::Status;

const CLASS: &str = "/sys/class/net";
const MAX_INTERFACES: usize = 8;
const MAX_ADDRESSES: usize = 16;
const MAX_SERVERS: usize = 3;
const MAX_DOMAINS: usize = 6;

/// Checked settings.
pub struct Settings {
    interfaces: Vec<Interface>,
    resolver: Option<String>,
}

struct Interface {
    name: String,
    mac: Option<[u8; 6]>,
    addresses: Vec<(IpAddr, u8)>,
    gateways: Vec<IpAddr>,
    mtu: Option<u32>,
}

/// Checks settings.
///
/// # Errors
/// `INVALID_ARGUMENT`.
pub fn settings(network: &Network) -> Result<Settings, Status> {
    let too_many = |what: &str, limit: usize, count: usize| {
        if count > limit { Err(invalid(format!("{what} has at most {limit}: {count}"))) } else { Ok(()) }
    };
    too_many("interfaces", MAX_INTERFACES, network.interfaces.len())?;
    too_many("name_servers", MAX_SERVERS, network.name_servers.len())?;
    too_many("search_domains", MAX_DOMAINS, network.search_domains.len())?;
    for interface in &network.interfaces {
        too_many("addresses", MAX_ADDRESSES, interface.addresses.len())?;
        too_many("gateways", 2, interface.gateways.len())?;
    }
    let interfaces = network.interfaces.iter().map(interface).collect::<Result<_, _>>()?;
    Ok(Settings { interfaces, resolver: resolver(network)? })
}

fn interface(wanted: &NetworkInterface) -> Result<Interface, Status> {
    let name_fits =
        wanted.name.len() < 16 && !wanted.name.contains(['/', '\0', ' ']) && !wanted.name.starts_with('.');
    if !name_fits {
        return Err(invalid(format!("An interface cannot have this name: {:?}", wanted.name)));
    }
    let cidr = |text: &String| {
        let (address, prefix) = text.split_once('/')?;
        let address: IpAddr = address.parse().ok()?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        Some((address, prefix.parse().ok().filter(|prefix| *prefix <= bits)?))
    };
    let addresses = wanted.addresses.iter().map(|text| cidr(text).ok_or_else(|| bad("an address", text)));
    let gateways = wanted.gateways.iter().map(|text| text.parse().map_err(|_| bad("a gateway", text)));
    Ok(Interface {
        name: wanted.name.clone(),
        mac: if wanted.mac.is_empty() {
            None
        } else {
            Some(mac(&wanted.mac).ok_or_else(|| bad("a mac", &wanted.mac))?)
        },
        addresses: addresses.collect::<Result<_, _>>()?,
        gateways: gateways.collect::<Result<_, _>>()?,
        mtu: (wanted.mtu > 0).then_some(wanted.mtu),
    })
}

fn bad(what: &str, text: &str) -> Status {
    invalid(format!("This is not {what}: {text:?}"))
}

fn mac(text: &str) -> Option<[u8; 6]> {
    let pairs: Vec<u8> = text
        .split(':')
        .map(|pair| u8::from_str_radix(pair, 16).ok().filter(|_| pair.len() == 2))
        .collect::<Option<_>>()?;
    pairs.try_into().ok()
}

/// The text of /etc/resolv.conf; none if it stays as it is.
fn resolver(network: &Network) -> Result<Option<String>, Status> {
    if network.name_servers.is_empty() {
        return Ok(None);
    }
    let mut text = String::new();
    let domain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    if let Some(bad_one) =
        network.search_domains.iter().find(|name| name.is_empty() || !name.bytes().all(domain))
    {
        return Err(bad("a domain", bad_one));
    }
    if !network.search_domains.is_empty() {
        text = format!("search {}\n", network.search_domains.join(" "));
    }
    for server in &network.name_servers {
        let address: IpAddr = server.parse().map_err(|_| bad("a name server", server))?;
        text.push_str("nameserver ");
        text.push_str(&address.to_string());
        text.push('\n');
    }
    Ok(Some(text))
}

/// Whether every interface is there.
#[must_use]
pub fn are_there(settings: &Settings) -> bool {
    settings
        .interfaces
        .iter()
        .all(|interface| find(interface).is_ok_and(|name| Path::new(CLASS).join(name).exists()))
}

/// Applies settings.
///
/// # Errors
/// The kernel's, with what it was about.
pub fn apply(settings: &Settings) -> Result<(), Status> {
    let routing = Routing::open().map_err(|error| status("open a routing socket", &error))?;
    for interface in &settings.interfaces {
        let name = find(interface).map_err(|error| status("find the interface", &error))?;
        set(&routing, interface, &name).map_err(|error| status(format!("configure {name}"), &error))?;
    }
    if let Some(text) = &settings.resolver {
        replace("/etc/resolv.conf", text, 0o644).map_err(|error| status("write /etc/resolv.conf", &error))?;
    }
    Ok(())
}

fn set(routing: &Routing, interface: &Interface, name: &str) -> io::Result<()> {
    let index = fs::read_to_string(Path::new(CLASS).join(name).join("ifindex"))?;
    let index: u32 = index.trim().parse().map_err(|_| Errno::NODEV)?;
    // A hardware address can be set only while it is down, which takes its addresses and routes of IPv6 away too.
    let other_mac = interface.mac.filter(|mac| current_mac(name) != Some(*mac));
    if other_mac.is_some() {
        routing.request(&set_link(index, false, other_mac, None))?;
    }
    for (address, prefix) in routing.addresses(index)? {
        if !interface.addresses.contains(&(address, prefix)) && !is_automatic(address) {
            routing.request(&set_address(index, address, prefix, false))?;
        }
    }
    routing.request(&set_link(index, true, None, interface.mtu))?;
    for (address, prefix) in &interface.addresses {
        routing.request(&set_address(index, *address, *prefix, true))?;
    }
    interface.gateways.iter().try_for_each(|gateway| routing.request(&default_route(index, *gateway)))
}

/// The interface that is meant.
fn find(interface: &Interface) -> io::Result<String> {
    if !interface.name.is_empty() {
        return Ok(interface.name.clone());
    }
    let names = fs::read_dir(CLASS)?.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| name != "lo").collect();
    names.sort();
    let fits = |name: &&String| interface.mac.is_none_or(|mac| current_mac(name) == Some(mac));
    Ok(names.iter().find(fits).ok_or(Errno::NODEV)?.clone())
}

fn current_mac(name: &str) -> Option<[u8; 6]> {
    mac(fs::read_to_string(Path::new(CLASS).join(name).join("address")).ok()?.trim())
}

/// Whether the kernel gives an address by itself.
fn is_automatic(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(_) => false,
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(change: impl Fn(&mut NetworkInterface)) -> Network {
        let mut interface = NetworkInterface {
            name: "eth0".into(),
            mac: "02:00:00:00:00:01".into(),
            addresses: vec!["10.0.2.15/24".into(), "fd00::2/64".into()],
            gateways: vec!["10.0.2.2".into()],
            mtu: 1400,
        };
        change(&mut interface);
        Network {
            interfaces: vec![interface],
            name_servers: vec!["10.0.2.3".into()],
            search_domains: vec!["a.b".into()],
        }
    }

    type Change = fn(&mut NetworkInterface);

    #[test]
    fn sound_settings_are_taken_and_unsound_ones_refused() {
        let sound = settings(&network(|_| {})).unwrap();
        assert_eq!(sound.interfaces[0].mac, Some([2, 0, 0, 0, 0, 1]));
        assert_eq!(sound.resolver.unwrap(), "search a.b\nnameserver 10.0.2.3\n");
        let unsound: [Change; 7] = [
            |interface| interface.name = "../eth0".into(),
            |interface| interface.name = "x".repeat(16),
            |interface| interface.mac = "02:00:00:00:00".into(),
            |interface| interface.addresses = vec!["10.0.2.15".into()],
            |interface| interface.addresses = vec!["10.0.2.15/33".into()],
            |interface| interface.addresses = vec!["10.0.2.15/24".into(); 17],
            |interface| interface.gateways = vec!["gateway".into()],
        ];
        for (index, change) in unsound.into_iter().enumerate() {
            assert!(settings(&network(change)).is_err(), "case {index}");
        }
    }
}
