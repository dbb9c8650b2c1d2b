//! Who sent a record: what a consumer of a key cannot choose freely.

use crate::address::Address;
use crate::networks::Networks;
use crate::normalise::clients::Client;
use serde::{Deserialize, Serialize};

/// A consumer of a key.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Identity {
    /// Where from, if the record tells.
    pub place: Option<Place>,
    /// Fingerprint of the client software's family; nought where the record does not tell.
    pub client: u64,
    /// Its major version.
    pub major: u16,
}

/// Where a record came from.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Place {
    /// The address.
    pub address: Address,
    /// The network: the number of the autonomous system, or what stands for it where no table knows it.
    pub network: u32,
    /// The block of addresses: /16 and /48; /24 and /56 where the network is not known.
    pub block: u64,
    /// The smallest block: /24 and /56.
    pub fine: u64,
    /// The country; zeros where it is not known.
    pub country: [u8; 2],
    /// Whether the network is one of servers.
    pub is_server: bool,
}

/// Marks numbers of networks that are none of autonomous systems.
const MADE_UP: u32 = 1 << 31;

impl Place {
    /// The place of an address.
    pub fn of(address: Address, networks: &Networks) -> Self {
        let bits = u128::from_be_bytes(address.bytes());
        #[allow(
            clippy::cast_possible_truncation,
            reason = "the leading bits of an address are what is meant"
        )]
        let leading = |prefix: u32| (bits >> (128 - prefix)) as u64;
        // Addresses of IPv4 stand in the last 32 bits.
        let (wide, fine) = if bits >> 32 == 0xffff { (112, 120) } else { (48, 56) };
        let network = networks.find(address);
        #[allow(clippy::cast_possible_truncation, reason = "a hash")]
        let made_up = (leading(wide).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33) as u32 | MADE_UP;
        let is_known = network.asn != 0;
        Self {
            address,
            network: if is_known { network.asn } else { made_up },
            block: leading(if is_known { wide } else { fine }),
            fine: leading(fine),
            country: network.country,
            is_server: network.is_server,
        }
    }

    /// The number of the autonomous system, if it is known.
    pub const fn asn(&self) -> Option<u32> {
        if self.network & MADE_UP == 0 { Some(self.network) } else { None }
    }
}

impl Identity {
    /// Of an address and a client.
    pub fn new(place: Option<Place>, client: Option<Client>) -> Self {
        let (client, major) = client.map_or((0, 0), |client| (client.family, client.major));
        Self { place, client, major }
    }
}
