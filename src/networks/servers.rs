//! Which networks are those of servers, by the name of the AS.
//!
//! Whole words count, not letters inside others: `host` is none in `hostel`, `cloud` none in `St. Cloud`. A network of
//! a name that says nothing is one of people. Offices behind a filtering service (Zscaler and its like) are people too,
//! which is why no such service is listed.

/// Makers of clouds, hosters, content networks and VPN services that their names alone do not give away, as words that
/// follow each other.
const NAMES: &[&str] = &[
    // Clouds.
    "amazon com",
    "amazon data services",
    "amazon technologies",
    "amazon 02",
    "amazon aes",
    "aws",
    "google",
    "microsoft",
    "oracle",
    "softlayer",
    "alibaba",
    "aliyun",
    "tencent",
    "huawei clouds",
    "huawei international",
    "baidu",
    "digitalocean",
    "digital ocean",
    "linode",
    "akamai",
    "vultr",
    "choopa",
    "constant company",
    "hetzner",
    "ovh",
    "ovhcloud",
    "scaleway",
    "leaseweb",
    "contabo",
    "ionos",
    "kamatera",
    "exoscale",
    "akenes",
    "coreweave",
    "runpod",
    "crusoe",
    "nebius",
    "lambda labs",
    "fly io",
    "vercel",
    "netlify",
    "heroku",
    "railway corporation",
    "kingsoft",
    "jd com",
    "bytedance",
    "byteplus",
    "volcano engine",
    "naver business platform",
    "sakura internet",
    "gmo internet",
    "selectel",
    "timeweb",
    "beget",
    "reg ru",
    "ddos guard",
    "equinix",
    "packet host",
    "latitude sh",
    "zenlayer",
    "aruba s p a",
    "seeweb",
    "netcup",
    "strato",
    "infomaniak",
    "glesys",
    "worldstream",
    "nforce",
    "i3d net",
    "transip",
    "team blue",
    "combell",
    "one com",
    "loopia",
    "home pl",
    "nazwa pl",
    "keyweb",
    "myloc",
    "gridscale",
    "locaweb",
    "e2e networks",
    "ctrls",
    "netmagic",
    "21vianet",
    // Hosters that rent out machines by the hour to whoever pays.
    "m247",
    "datacamp",
    "datapacket",
    "clouvider",
    "psychz",
    "quadranet",
    "colocrossing",
    "hostwinds",
    "frantech",
    "ponynet",
    "buyvm",
    "racknerd",
    "ramnode",
    "nocix",
    "datashack",
    "versaweb",
    "sharktech",
    "reliablesite",
    "tzulo",
    "performive",
    "steadfast",
    "singlehop",
    "internap",
    "b2 net solutions",
    "eonix",
    "enzu",
    "krypt",
    "cnservers",
    "hivelocity",
    "phoenixnap",
    "liquid web",
    "godaddy",
    "namecheap",
    "unified layer",
    "newfold",
    "endurance international",
    "inmotion",
    "a2 hosting",
    "dreamhost",
    "squarespace",
    "automattic",
    "wpengine",
    "webnx",
    "limestone networks",
    "gsl networks",
    "stark industries",
    "aeza",
    "flokinet",
    "1984 ehf",
    "njalla",
    "shinjiru",
    "private layer",
    "privatelayer",
    "ip volume",
    "melbicom",
    "hydra communications",
    "trabia",
    "virtuo",
    "nexeon",
    "cogeco peer 1",
    "peer 1",
    "sprious",
    "rayobyte",
    "web werks",
    "biterika",
    "petersburg internet network",
    "volumedrive",
    "multacom",
    "it7 networks",
    "deft com",
    "ghostnet",
    "velia net",
    "voxility",
    "atlantic metro",
    "carinet",
    "dedipath",
    "gigenet",
    "handy networks",
    "flexential",
    "core backbone",
    "delska",
    "scalaxy",
    "quickpacket",
    "24 shells",
    "seflow",
    "gandi",
    "phoenix nap",
    "amarutu",
    "netdirekt",
    "vcd infra",
    // Content networks.
    "fastly",
    "cloudflare",
    "cdn77",
    "limelight",
    "edgio",
    "edgecast",
    "stackpath",
    "highwinds",
    "gcore",
    "g core labs",
    "cachefly",
    "quantil",
    "wangsu",
    "chinacache",
    "chinanetcenter",
    "imperva",
    "incapsula",
    "bunnyway",
    // VPN services.
    "packethub",
    "tefincom",
    "nordvpn",
    "31173 services",
    "mullvad",
    "proton ag",
    "protonvpn",
    "expressvpn",
    "surfshark",
    "cyberghost",
    "windscribe",
    "london trust media",
    "private internet access",
    "perfect privacy",
    "torguard",
    "tor exit",
    "emerald onion",
    "quintex alliance",
    "calyx institute",
];

/// What is said of servers, as words of their own or, of the second list, behind another word.
const WORDS: &[&str] = &[
    "host",
    "hosts",
    "hosted",
    "hoster",
    "hosters",
    "hosting",
    "hostings",
    "webhosting",
    "webhost",
    "cloud",
    "clouds",
    "vps",
    "vds",
    "server",
    "servers",
    "cdn",
    "colo",
    "colocation",
    "colocations",
    "datacenter",
    "datacenters",
    "datacentre",
    "datacentres",
    "datacentrum",
    "idc",
    "iaas",
    "baremetal",
    "dedicated",
    "vpn",
    "vpns",
    "proxy",
    "proxies",
    "rackspace",
    "datacentra",
    "data center",
    "data centers",
    "data centre",
    "data centres",
    "bare metal",
    "virtual machines",
    "virtual private",
    "cloud computing",
    "hospedagem",
    "hebergement",
    "hospedaje",
    "alojamiento",
    "servidores",
];
const ENDS: &[&str] = &[
    "hosting",
    "webhost",
    "host",
    "vps",
    "server",
    "servers",
    "cloud",
    "datacenter",
    "datacentre",
    "colo",
    "vpn",
    "cdn",
];
/// Beginnings of names that are made up of them.
const STARTS: &[&str] = &["hosting", "host", "cloud", "server", "vps", "vds", "datacent", "colocat", "vpn"];

/// Words that begin or end like these and mean something else, and networks that are known for something else.
const OTHERS: &[&str] = &[
    "hostal",
    "hostel",
    "hostels",
    "hostess",
    "hostetler",
    "hostile",
    "hostos",
    "hostopia",
    "hostelyon",
    "piccolo",
    "niccolo",
    "ghost",
    "echohost",
    "colombo",
    "cloudwifi",
    "cloudtel",
    "cloudcall",
    "cloudfone",
    "cloudisp",
    "telecloud",
    "observer",
    "wienerserver",
    // Access lines in South Africa and Poland.
    "afrihost",
    "fiberhost",
];

/// Words of networks of people, which say more than those of servers beside them.
const PEOPLE: &[&str] = &[
    "fiber",
    "fibre",
    "fibra",
    "broadband",
    "wifi",
    "wireless",
    "wisp",
    "cable",
    "cablevision",
    "mobile",
    "cellular",
    "university",
    "universitaet",
    "college",
    "school",
    "schools",
    "district",
    "bank",
    "hospital",
    "clinic",
    "church",
    "county",
    "saint cloud",
    "st cloud",
    "provedor",
    "isp",
];

/// Whether the addresses of an AS of this name are those of servers rather than of people's access lines.
pub fn is_server(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let words: Vec<&str> =
        name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    if holds(&words, &["google fiber"]) {
        return false;
    }
    holds(&words, NAMES) || (says_servers(&words) && !holds(&words, PEOPLE))
}

fn says_servers(words: &[&str]) -> bool {
    let is_made_of = |word: &&str| {
        // `HETZNER-CLOUD2`, `hosting24`.
        let word = word.trim_end_matches(|c: char| c.is_ascii_digit());
        let is_longer = |part: &&&str| word.len() > part.len();
        !OTHERS.contains(&word)
            && (WORDS.contains(&word)
                || ENDS.iter().filter(is_longer).any(|end| word.ends_with(end))
                || STARTS.iter().filter(is_longer).any(|start| word.starts_with(start)))
    };
    words.iter().any(is_made_of) || holds(words, WORDS)
}

/// True where one of `phrases` stands in `words`.
fn holds(words: &[&str], phrases: &[&str]) -> bool {
    let begins = |(at, word): (usize, &&str)| {
        // There are a hundred thousand names: nearly every phrase is ruled out by its first letter.
        let first = word.as_bytes().first();
        let mut near = phrases.iter().filter(|phrase| phrase.as_bytes().first() == first);
        near.any(|phrase| phrase.starts_with(word) && is_at(phrase, words, at))
    };
    words.iter().enumerate().any(begins)
}

fn is_at(phrase: &str, words: &[&str], at: usize) -> bool {
    let mut rest = words.iter().skip(at);
    phrase.split(' ').all(|part| rest.next().is_some_and(|word| *word == part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_servers_are_told_from_those_of_people() {
        for name in [
            "Amazon.com, Inc.",
            "AMAZON-02",
            "Google LLC",
            "GOOGLE-CLOUD-PLATFORM",
            "Microsoft Corporation",
            "MICROSOFT-CORP-MSN-AS-BLOCK",
            "DigitalOcean, LLC",
            "DIGITALOCEAN-ASN",
            "Hetzner Online GmbH",
            "HETZNER-CLOUD2-AS",
            "OVH SAS",
            "M247 Europe SRL",
            "DataCamp Limited",
            "CDN77 - DataCamp",
            "The Constant Company, LLC",
            "AS-CHOOPA",
            "Hostinger International Limited",
            "HOSTINGER-AS",
            "Oracle Corporation",
            "IBM Cloud",
            "UCLOUD INFORMATION",
            "Warsaw Data Center Sp. z o.o.",
            "SERV.HOST GROUP LTD",
            "KVM VPS LLC",
            "31173 Services AB",
            "PacketHub S.A.",
            "Leaseweb USA, Inc.",
            "LEASEWEB-NL-AMS-01",
            "Interserver, Inc",
            "firstcolo GmbH",
            "Yandex.Cloud LLC",
            "VIRTUAL PRIVATE SERVER DATACENTER LIMITED",
            "Host Europe GmbH",
            "Example Hosting GmbH",
        ] {
            assert!(is_server(name), "{name}");
        }
        for name in [
            "",
            "Deutsche Telekom AG",
            "Comcast Cable Communications, LLC",
            "Google Fiber Inc.",
            "St. Cloud State University",
            "Hostel World Ltd",
            "Amazonas Internet",
            "Amazon Telecom LTDA",
            "Jupiter Observer Media",
            "Piccolo Net S.r.l.",
            "Cloud Broadband Services",
            "Afrihost SP (Pty) Ltd",
            "TDC Holding A/S",
            "Vodafone GmbH",
            "Ghost Networks",
            "Zscaler, Inc.",
            "Universal Fiber Hosting",
            "Colombia Movil",
            "University of Data Science",
        ] {
            assert!(!is_server(name), "{name}");
        }
    }

    #[test]
    fn the_lists_are_written_as_they_are_compared() {
        for word in [NAMES, WORDS, ENDS, STARTS, OTHERS, PEOPLE].concat() {
            let is_plain = word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b' ');
            assert!(is_plain && !word.contains("  ") && word.trim() == word, "{word}");
        }
    }
}
