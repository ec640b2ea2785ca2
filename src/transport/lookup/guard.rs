//! Decides where `check --net` may connect. Campaigns come from other people, and their links must not reach
//! into the network of whoever checks them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

use super::LookupError;

#[derive(Debug, Clone)]
pub(crate) struct Guard {
    address: fn(IpAddr) -> bool,
    ports: Vec<u16>,
}

impl Guard {
    /// Allows public addresses, on ports 80 and 443.
    pub(crate) fn public() -> Self {
        Self {
            address: is_public,
            ports: vec![80, 443],
        }
    }

    #[cfg(test)]
    pub(crate) fn only(address: fn(IpAddr) -> bool, ports: Vec<u16>) -> Self {
        Self { address, ports }
    }

    pub(super) fn allows(&self, address: IpAddr) -> bool {
        (self.address)(address)
    }

    /// Checks a URL before its host is resolved.
    ///
    /// # Errors
    /// If it must not be requested.
    pub(super) fn check(&self, url: &Url) -> Result<(), LookupError> {
        let refuse = |why: String| Err(LookupError::NotAllowed(why));
        if !["http", "https"].contains(&url.scheme()) {
            return refuse(format!("`{}:` is not a web page", url.scheme()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return refuse("it contains a login".to_owned());
        }
        let literal = match url.host() {
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            Some(Host::Domain(_)) => None,
            None => return refuse("it has no host".to_owned()),
        };
        if let Some(address) = literal.filter(|address| !self.allows(*address)) {
            return Err(LookupError::NotPublic(address));
        }
        match url.port_or_known_default() {
            Some(port) if self.ports.contains(&port) => Ok(()),
            _ => refuse("only ports 80 and 443 are allowed".to_owned()),
        }
    }
}

/// Whether an address belongs to the public internet, by IANA's registries of special-purpose addresses
/// (RFC 6890).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = match (a, b, c) {
        // This network, loopback, multicast, reserved.
        (0 | 127 | 224.., _, _) => true,
        // Carrier-grade NAT, 100.64.0.0/10.
        (100, 64..=127, _) => true,
        // Protocol assignments, 6to4 relays, benchmarking.
        (192, 0, 0) | (192, 88, 99) | (198, 18 | 19, _) => true,
        _ => address.is_private() || address.is_link_local() || address.is_documentation(),
    };
    !special
}

/// IANA allocates public addresses from 2000::/3 only, and parts of that are special.
fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(mapped) = address.to_ipv4_mapped() {
        return is_public_v4(mapped);
    }
    let [a, b, ..] = address.segments();
    match (a, b) {
        // NAT64 contains an IPv4 address.
        (0x64, 0xff9b) if address.segments()[2..6] == [0; 4] => {
            let [.., high, low] = address.segments();
            let [a, b] = high.to_be_bytes();
            let [c, d] = low.to_be_bytes();
            is_public_v4(Ipv4Addr::new(a, b, c, d))
        }
        // Protocol assignments and Teredo, documentation, 6to4, documentation.
        (0x2001, 0..=0x1ff | 0xdb8) | (0x2002, _) | (0x3fff, 0..=0xfff) => false,
        (0x2000..=0x3fff, _) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_are_public() {
        let public = |text: &str| is_public(text.parse().expect("an address"));
        let special = "0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.127.255.255 127.0.0.1 127.255.0.1 \
                   169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.192 192.0.2.1 192.168.1.1 \
                   198.18.0.1 198.19.9.9 198.51.100.1 203.0.113.1 224.0.0.1 240.0.0.1 255.255.255.255 \
                   :: ::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 \
                   64:ff9b::7f00:1 64:ff9b:1::1 100::1 2001::1 2001:db8::1 2002:7f00:1:: 3fff::1 \
                   fc00::1 fd00:ec2::254 fe80::1 fec0::1 ff02::1";
        for address in special.split_whitespace() {
            assert!(!public(address), "{address}");
        }
        let ordinary = "1.1.1.1 9.9.9.9 100.63.255.255 100.128.0.1 172.15.0.1 172.32.0.1 192.0.1.1 \
                   198.17.0.1 223.255.255.255 ::ffff:1.1.1.1 64:ff9b::101:101 2606:4700:4700::1111 \
                   2001:4860:4860::8888 2a00:1450::1";
        for address in ordinary.split_whitespace() {
            assert!(public(address), "{address}");
        }
    }

    #[test]
    fn refuses_urls_before_any_request() {
        let check = |url: &str| Guard::public().check(&url.parse().expect("a URL"));
        for url in [
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://[::1]/",
            "http://[::ffff:10.0.0.1]/",
            "http://127.0.0.1:8080/",
            "https://169.254.169.254/latest/meta-data/",
        ] {
            assert!(
                matches!(check(url), Err(LookupError::NotPublic(_))),
                "{url}"
            );
        }
        for url in [
            "ftp://sender.example/",
            "file:///etc/passwd",
            "http://sender.example:8080/",
            "http://user@sender.example/",
            "http://:pass@sender.example/",
            "mailto:a@b.example",
        ] {
            assert!(
                matches!(check(url), Err(LookupError::NotAllowed(_))),
                "{url}"
            );
        }
        for url in [
            "http://sender.example/",
            "https://1.1.1.1/",
            "https://sender.example:443/",
        ] {
            assert!(check(url).is_ok(), "{url}");
        }
    }
}
