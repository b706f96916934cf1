//! For which names a certificate is.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rustls::pki_types::CertificateDer;
use x509_parser::extensions::GeneralName;

use crate::host;

/// The subject's alternative names; the common name has not counted for long (RFC 9525, section 2).
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    /// In lower case; a star may stand for the first label.
    dns: Vec<String>,
    addresses: Vec<IpAddr>,
}

impl Names {
    /// Those of a certificate; none of one that cannot be read.
    pub(crate) fn of(certificate: &CertificateDer<'_>) -> Self {
        let mut names = Self::default();
        let Ok((_, parsed)) = x509_parser::parse_x509_certificate(certificate) else { return names };
        let Ok(Some(alternatives)) = parsed.subject_alternative_name() else { return names };
        for name in &alternatives.value.general_names {
            match name {
                GeneralName::DNSName(name) => names.dns.push(host::without_dot(name).to_ascii_lowercase()),
                GeneralName::IPAddress(bytes) => names.addresses.extend(address(bytes)),
                _ => {}
            }
        }
        names
    }

    /// Whether a host is one of them.
    pub(crate) fn cover(&self, name: &str) -> bool {
        if let Some(address) = host::address(name) {
            return self.addresses.contains(&address);
        }
        let name = host::without_dot(name).to_ascii_lowercase();
        // A star is a whole label, and only the first one (RFC 9525, section 6.3).
        let parent = name.split_once('.').map(|(_, parent)| parent);
        self.dns.iter().any(|own| match own.strip_prefix("*.") {
            Some(own) => parent == Some(own),
            None => *own == name,
        })
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(|bytes| Ipv4Addr::from(bytes).into());
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(|bytes| Ipv6Addr::from(bytes).into())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::make;

    fn names(hosts: &[&str]) -> Names {
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        Names::of(&make(&hosts).unwrap().tls.certificates[0])
    }

    #[test]
    fn a_certificate_covers_its_names_and_no_others() {
        let names = names(&["Play.example.com", "*.games.example", "192.0.2.1", "2001:db8::1"]);
        for covered in [
            "play.example.com",
            "PLAY.example.com",
            "play.example.com.",
            "a.games.example",
            "my_game.games.example",
            "192.0.2.1",
            "[2001:db8::1]",
            "[2001:db8:0::1]",
        ] {
            assert!(names.cover(covered), "{covered}");
        }
        for foreign in [
            "example.com",
            "evil.test",
            "a.play.example.com",
            "play.example.com.evil.test",
            "games.example",
            "a.b.games.example",
            "*.games.example.evil.test",
            "192.0.2.2",
            "[2001:db8::2]",
            "Anteroom",
            "",
        ] {
            assert!(!names.cover(foreign), "{foreign}");
        }
    }

    #[test]
    fn what_is_no_certificate_covers_nothing() {
        assert!(!Names::of(&CertificateDer::from(vec![1, 2, 3])).cover("localhost"));
    }
}
