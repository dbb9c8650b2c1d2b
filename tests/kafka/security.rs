//! Listeners that encrypt and that ask who is there: with the right answers alerts come, with wrong ones it is told
//! what is wrong, without what nobody is to know. Certificates, passwords and tokens are made afresh.

use crate::broker::Broker;
use crate::support::*;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

const PASSWORD: &str = "EXAMPLE-right-password";
const WRONG: &str = "EXAMPLE-wrong-password";
/// Names of the listeners, whose ports follow one another.
const LISTENERS: [&str; 6] = ["TLS", "OTHERHOST", "EXPIRED", "MUTUAL", "SASL", "TOKENS"];

fn openssl(dir: &Path, words: &str) {
    let output = Command::new("openssl").args(words.split_whitespace()).current_dir(dir).output().unwrap();
    assert!(output.status.success(), "{words}: {}", String::from_utf8_lossy(&output.stderr));
}

fn authority(dir: &Path, name: &str) {
    let key = format!("-newkey rsa:2048 -nodes -keyout {name}.key");
    openssl(dir, &format!("req -x509 {key} -out {name}.pem -subj /CN={name} -days 2"));
}

/// A certificate of the authority `ca`, and a file with its key before it, as brokers read it.
fn certificate(dir: &Path, name: &str, names: &str, days: i32) {
    let key = format!("-newkey rsa:2048 -nodes -keyout {name}.key");
    openssl(dir, &format!("req {key} -out {name}.csr -subj /CN={name} -addext subjectAltName={names}"));
    let by = "-CA ca.pem -CAkey ca.key -copy_extensions copy";
    openssl(dir, &format!("x509 -req -in {name}.csr {by} -days {days} -out {name}.pem"));
    let both = [fs::read(dir.join(format!("{name}.key"))), fs::read(dir.join(format!("{name}.pem")))];
    fs::write(dir.join(format!("{name}.both")), both.map(Result::unwrap).concat()).unwrap();
}

fn certificates(dir: &Path) {
    authority(dir, "ca");
    authority(dir, "stranger");
    let here = "DNS:localhost,IP:127.0.0.1";
    certificate(dir, "broker", here, 2);
    certificate(dir, "otherhost", "DNS:kafka.example", 2);
    certificate(dir, "expired", here, -1);
    certificate(dir, "client", "DNS:keyhound", 2);
}

/// A broker with all the listeners; the port of the first of them.
fn broker(dir: &Path) -> (Broker, u16) {
    certificates(dir);
    let port = free_ports(LISTENERS.len() + 2);
    let of = |number: usize| port + 2 + u16::try_from(number).unwrap();
    let more: String =
        LISTENERS.iter().enumerate().map(|(at, name)| format!(",{name}://localhost:{}", of(at))).collect();
    let protocols: String = LISTENERS
        .iter()
        .map(|name| {
            format!(",{name}:{}", if matches!(*name, "SASL" | "TOKENS") { "SASL_SSL" } else { "SSL" })
        })
        .collect();
    let path = dir.display();
    let mut extra = format!(
        "listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{}{more}\n\
         advertised.listeners=PLAINTEXT://127.0.0.1:{port}{more}\n\
         listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT{protocols}\n",
        port + 1
    );
    for name in LISTENERS {
        let listener = format!("listener.name.{}", name.to_lowercase());
        let certificate = match name {
            "OTHERHOST" => "otherhost",
            "EXPIRED" => "expired",
            _ => "broker",
        };
        let auth = if name == "MUTUAL" { "required" } else { "none" };
        extra += &format!(
            "{listener}.ssl.keystore.type=PEM\n{listener}.ssl.keystore.location={path}/{certificate}.both\n\
             {listener}.ssl.truststore.type=PEM\n{listener}.ssl.truststore.location={path}/ca.pem\n\
             {listener}.ssl.client.auth={auth}\n"
        );
    }
    let module = "org.apache.kafka.common.security";
    extra += &format!(
        "listener.name.sasl.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512\n\
         listener.name.sasl.plain.sasl.jaas.config={module}.plain.PlainLoginModule required user_keyhound=\"{PASSWORD}\";\n\
         listener.name.sasl.scram-sha-256.sasl.jaas.config={module}.scram.ScramLoginModule required;\n\
         listener.name.sasl.scram-sha-512.sasl.jaas.config={module}.scram.ScramLoginModule required;\n\
         listener.name.tokens.sasl.enabled.mechanisms=OAUTHBEARER\n\
         listener.name.tokens.oauthbearer.sasl.jaas.config={module}.oauthbearer.OAuthBearerLoginModule required \
         unsecuredLoginStringClaim_sub=\"broker\";\n"
    );
    let scram = ["SCRAM-SHA-256", "SCRAM-SHA-512"]
        .map(|mechanism| format!("--add-scram\n{mechanism}=[name=keyhound,password={PASSWORD}]"));
    let variables =
        [("KAFKA_PORT", port.to_string()), ("KAFKA_EXTRA", extra), ("KAFKA_FORMAT", scram.join("\n"))];
    (Broker::start_with(&variables), port + 2)
}

/// A token as a broker takes it that trusts everybody; it is over after so many seconds.
fn token(seconds: i64) -> String {
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
    let claims = format!(r#"{{"sub":"keyhound","iat":{},"exp":{}}}"#, now - 3600, now + seconds);
    let encode = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.", encode(r#"{"alg":"none"}"#), encode(&claims))
}

/// A case: which listener, what the configuration says, and what is told where that is refused.
struct Case {
    listener: &'static str,
    settings: String,
    told: Option<&'static str>,
}

fn cases(dir: &Path) -> Vec<Case> {
    let write = |name: &str, text: &str| {
        fs::write(dir.join(name), text).unwrap();
        dir.join(name).display().to_string()
    };
    let (right, wrong) = (write("right", PASSWORD), write("wrong", WRONG));
    let (fresh, stale) = (write("fresh", &token(3600)), write("stale", &token(-600)));
    let garbage = write("garbage", "EXAMPLE.EXAMPLE.");
    let path = dir.display();
    let tls = |ca: &str| format!("[kafka.tls]\nenabled = true\nca_file = \"{path}/{ca}.pem\"\n");
    let login = |mechanism: &str, password: &str| {
        format!(
            "{}[kafka.sasl]\nmechanism = \"{mechanism}\"\nusername = \"keyhound\"\npassword_file = \"{password}\"\n",
            tls("ca")
        )
    };
    let bearer = |token: &str| {
        format!(
            "{}[kafka.sasl]\nmechanism = \"OAUTHBEARER\"\nusername = \"keyhound\"\ntoken_file = \"{token}\"\n",
            tls("ca")
        )
    };
    let mutual =
        format!("{}cert_file = \"{path}/client.pem\"\nkey_file = \"{path}/client.key\"\n", tls("ca"));
    let case = |listener, settings, told| Case { listener, settings, told };
    let mut cases = vec![
        case("TLS", tls("ca"), None),
        case("MUTUAL", mutual, None),
        case("TOKENS", bearer(&fresh), None),
        case("TLS", tls("stranger"), Some("`kafka.tls.ca_file`")),
        case("TLS", "[kafka.tls]\nenabled = true\n".to_owned(), Some("`kafka.tls.ca_file`")),
        case("TLS", String::new(), Some("`kafka.tls.enabled`")),
        case("OTHERHOST", tls("ca"), Some("its host name")),
        case("EXPIRED", tls("ca"), Some("it has expired")),
        case("MUTUAL", tls("ca"), Some("`kafka.tls.cert_file`")),
        case("SASL", tls("ca"), Some("`kafka.sasl.mechanism`")),
        case("TOKENS", bearer(&stale), Some("has expired; whoever renews it")),
        case("TOKENS", bearer(&garbage), Some("the token in `kafka.sasl.token_file` is not accepted")),
        case("TOKENS", login("PLAIN", &right), Some("`kafka.sasl.mechanism`")),
    ];
    for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
        cases.push(case("SASL", login(mechanism, &right), None));
        cases.push(case("SASL", login(mechanism, &wrong), Some("`kafka.sasl.password_file`")));
    }
    cases
}

#[test]
fn whoever_may_read_reads_and_whoever_may_not_is_told_why() {
    let dir = tempfile::tempdir().unwrap();
    let (broker, first) = broker(dir.path());
    for topic in ["usage", "keyhound-rejects"] {
        make_topic(&broker.address, topic, 1, &[]);
    }
    // All at once: most of their time is waiting.
    std::thread::scope(|scope| {
        for (number, case) in cases(dir.path()).into_iter().enumerate() {
            let (broker, dir) = (&broker, dir.path());
            scope.spawn(move || check(&broker.address, first, dir, (number, case)));
        }
    });
}

fn check(broker: &str, first: u16, dir: &Path, (number, case): (usize, Case)) {
    let at = LISTENERS.iter().position(|name| *name == case.listener).unwrap();
    let address = format!("localhost:{}", first + u16::try_from(at).unwrap());
    let group = format!("g{number}");
    let own = format!("group_id = \"{group}\"\nalerts_topic = \"{group}-alerts\"\n{}", case.settings);
    if case.listener == "TOKENS" {
        // With a token, topics cannot be made.
        let policy = [("cleanup.policy", "compact")];
        make_topic(broker, &format!("{group}-usage-changelog"), 1, &policy);
        make_topic(broker, &format!("{group}-alerts"), 1, &[]);
    }
    let config = config(dir, &format!("{number}.toml"), &address, &own, BUSY);
    let log = config.with_extension("log");
    let worker = Worker::start(&config);
    let text = || fs::read_to_string(&log).unwrap();
    let what = || format!("{} {}: {}", case.listener, case.settings, text());
    if let Some(told) = case.told {
        assert_eq!(worker.wait(), Some(69), "{}", what());
        assert!(text().lines().last().unwrap_or_default().contains(told), "{told} is not told: {}", what());
    } else {
        eventually_or(what, || lag(broker, &group, "usage", 1) == 0);
        assert_eq!(worker.stop(), Some(0), "{}", what());
    }
    for secret in [PASSWORD, WRONG, &token(0)[..24]] {
        assert!(!text().contains(secret), "{}", what());
    }
}
