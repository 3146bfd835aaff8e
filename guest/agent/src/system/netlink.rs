//! Messages of the kernel's routing socket: rtnetlink(7). Made and read here, sent by `network`.

use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with};
use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;

const HEADER_LEN: usize = 16;
const ERROR: u16 = 2;
const REQUEST_ACK: u16 = 0x1 | 0x4;
const CREATE_REPLACE: u16 = 0x400 | 0x100;

const NEW_LINK: u16 = 16;
const NEW_ADDRESS: u16 = 20;
const DELETE_ADDRESS: u16 = 21;
const NEW_ROUTE: u16 = 24;

/// A request that is being made: its attributes are appended, its length is set at the end.
struct Message(Vec<u8>);

impl Message {
    fn new(kind: u16, flags: u16) -> Self {
        let mut bytes = vec![0; HEADER_LEN];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes[6..8].copy_from_slice(&(REQUEST_ACK | flags).to_ne_bytes());
        Self(bytes)
    }

    fn body(mut self, body: &[u8]) -> Self {
        self.0.extend_from_slice(body);
        self
    }

    fn attribute(mut self, kind: u16, value: &[u8]) -> Self {
        let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
        self.0.extend_from_slice(&length.to_ne_bytes());
        self.0.extend_from_slice(&kind.to_ne_bytes());
        self.0.extend_from_slice(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    fn finish(mut self) -> Vec<u8> {
        let length = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        self.0[..4].copy_from_slice(&length.to_ne_bytes());
        self.0
    }
}

fn bytes(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

fn family(address: IpAddr) -> u8 {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    u8::try_from(family.as_raw()).unwrap_or(0)
}

/// Brings an interface up or down, and sets its hardware address and its largest packet.
#[must_use]
pub fn set_link(index: u32, up: bool, mac: Option<[u8; 6]>, mtu: Option<u32>) -> Vec<u8> {
    const UP: u32 = 1;
    let flags = if up { UP } else { 0 };
    let body = [&[0; 4][..], &index.to_ne_bytes(), &flags.to_ne_bytes(), &UP.to_ne_bytes()].concat();
    let mut message = Message::new(NEW_LINK, 0).body(&body);
    if let Some(mac) = mac {
        message = message.attribute(1, &mac);
    }
    if let Some(mtu) = mtu {
        message = message.attribute(4, &mtu.to_ne_bytes());
    }
    message.finish()
}

/// Gives an interface an address, or takes it away.
#[must_use]
pub fn set_address(index: u32, address: IpAddr, prefix: u8, present: bool) -> Vec<u8> {
    const NO_DUPLICATE_DETECTION: u8 = 0x02;
    let (kind, flags) = if present { (NEW_ADDRESS, CREATE_REPLACE) } else { (DELETE_ADDRESS, 0) };
    // Who sets the address is alone on the link: nobody has it, and finding that out takes the kernel seconds.
    let address_flags = if address.is_ipv6() { NO_DUPLICATE_DETECTION } else { 0 };
    let body = [&[family(address), prefix, address_flags, 0][..], &index.to_ne_bytes()].concat();
    // Local and peer address are the same but for point-to-point links.
    let message = Message::new(kind, flags).body(&body).attribute(2, &bytes(address));
    message.attribute(1, &bytes(address)).finish()
}

/// Sends what goes elsewhere to a gateway.
#[must_use]
pub fn default_route(index: u32, gateway: IpAddr) -> Vec<u8> {
    const MAIN_TABLE: u8 = 254;
    const BOOT_PROTOCOL: u8 = 3;
    const UNICAST: u8 = 1;
    let body = [family(gateway), 0, 0, 0, MAIN_TABLE, BOOT_PROTOCOL, 0, UNICAST, 0, 0, 0, 0];
    let message = Message::new(NEW_ROUTE, CREATE_REPLACE).body(&body).attribute(5, &bytes(gateway));
    message.attribute(4, &index.to_ne_bytes()).finish()
}

/// The kernel's answer to a request: an errno, 0 for success; none if it is not such an answer.
#[must_use]
pub fn answer(message: &[u8]) -> Option<i32> {
    let kind = u16::from_ne_bytes(message.get(4..6)?.try_into().ok()?);
    let code = i32::from_ne_bytes(message.get(HEADER_LEN..HEADER_LEN + 4)?.try_into().ok()?);
    (kind == ERROR).then_some(-code)
}

/// Every address of every interface.
fn list_addresses() -> Vec<u8> {
    const GET_ADDRESS: u16 = 22;
    const DUMP: u16 = 0x300;
    Message::new(GET_ADDRESS, DUMP).body(&[0; 8]).finish()
}

/// One message of the kernel's list of addresses.
#[derive(PartialEq, Eq, Debug)]
enum Listed {
    /// An interface's address and its prefix.
    Address(u32, IpAddr, u8),
    /// Something else.
    Other,
    /// The list's end.
    End,
}

fn listed(kind: u16, body: &[u8]) -> Listed {
    const DONE: u16 = 3;
    if kind == DONE || kind == ERROR {
        return Listed::End;
    }
    let parts = || {
        let (fixed, mut attributes) = body.split_at_checked(8)?;
        let index = u32::from_ne_bytes(fixed[4..8].try_into().ok()?);
        let mut found = None;
        while let Some((head, _)) = attributes.split_at_checked(4) {
            let length = usize::from(u16::from_ne_bytes([head[0], head[1]]));
            let value = attributes.get(4..length)?;
            let address = match value.len() {
                4 => Some(IpAddr::from(<[u8; 4]>::try_from(value).ok()?)),
                16 => Some(IpAddr::from(<[u8; 16]>::try_from(value).ok()?)),
                _ => None,
            };
            // The local address, where there is one, says more than the peer's.
            match u16::from_ne_bytes([head[2], head[3]]) {
                1 => found = found.or(address),
                2 => found = address.or(found),
                _ => {}
            }
            attributes = attributes.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
        found.map(|address| Listed::Address(index, address, fixed[1]))
    };
    if kind == NEW_ADDRESS { parts().unwrap_or(Listed::Other) } else { Listed::Other }
}

/// A routing socket.
pub struct Routing(OwnedFd);

impl Routing {
    /// Opens one.
    ///
    /// # Errors
    /// The kernel's.
    pub fn open() -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC;
        Ok(Self(socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?))
    }

    /// The addresses of an interface.
    ///
    /// # Errors
    /// The kernel's.
    pub fn addresses(&self, index: u32) -> io::Result<Vec<(IpAddr, u8)>> {
        sendto(&self.0, &list_addresses(), SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
        let mut addresses = Vec::new();
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let (count, _) = recv(&self.0, &mut buffer[..], RecvFlags::empty())?;
            let mut rest = &buffer[..count];
            while let Some((head, _)) = rest.split_at_checked(HEADER_LEN) {
                let length = u32::from_ne_bytes([head[0], head[1], head[2], head[3]]) as usize;
                let kind = u16::from_ne_bytes([head[4], head[5]]);
                let body = rest.get(HEADER_LEN..length).ok_or(Errno::PROTO)?;
                match listed(kind, body) {
                    Listed::End => return Ok(addresses),
                    Listed::Address(owner, address, prefix) if owner == index => {
                        addresses.push((address, prefix));
                    }
                    Listed::Address(..) | Listed::Other => {}
                }
                rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
            }
        }
    }

    /// Sends a request and waits for the kernel's answer, which it gives before the call that sends returns.
    ///
    /// # Errors
    /// The kernel's.
    pub fn request(&self, message: &[u8]) -> io::Result<()> {
        sendto(&self.0, message, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
        let mut buffer = [0; 8192];
        loop {
            let (count, _) = recv(&self.0, &mut buffer[..], RecvFlags::DONTWAIT)?;
            match answer(&buffer[..count]) {
                None => {}
                Some(0) => return Ok(()),
                Some(errno) => return Err(io::Error::from_raw_os_error(errno)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_its_length_and_padded_attributes() {
        let message = set_link(7, true, Some([1, 2, 3, 4, 5, 6]), Some(1400));
        assert_eq!(message.len(), 16 + 16 + 12 + 8);
        assert_eq!(message[..4], 52_u32.to_ne_bytes());
        assert_eq!(message[32..34], 10_u16.to_ne_bytes());
    }

    #[test]
    fn an_ipv6_address_is_good_at_once() {
        for (address, flags) in [("fd00::1", 2), ("10.0.0.1", 0)] {
            assert_eq!(set_address(1, address.parse().unwrap(), 64, true)[18], flags, "{address}");
        }
    }

    #[test]
    fn the_loopbacks_addresses_are_listed() {
        let index = std::fs::read_to_string("/sys/class/net/lo/ifindex").unwrap().trim().parse().unwrap();
        let addresses = Routing::open().unwrap().addresses(index).unwrap();
        assert!(addresses.contains(&("127.0.0.1".parse().unwrap(), 8)), "{addresses:?}");
    }

    #[test]
    fn an_answer_is_told_from_other_messages() {
        let mut message = vec![0; 36];
        message[4..6].copy_from_slice(&2_u16.to_ne_bytes());
        message[16..20].copy_from_slice(&(-17_i32).to_ne_bytes());
        assert_eq!(answer(&message), Some(17));
        message[4..6].copy_from_slice(&16_u16.to_ne_bytes());
        assert_eq!(answer(&message), None);
        assert_eq!(answer(&message[..18]), None);
    }
}
