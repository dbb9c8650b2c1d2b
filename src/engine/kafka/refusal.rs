//! What brokers refuse, told with the setting that it is about.

use crate::encode::Visible;
use rdkafka::error::RDKafkaErrorCode as Code;
use std::sync::OnceLock;

const CERTIFICATE: &str = "the broker's certificate is not trusted: it is not signed by an authority in `kafka.tls.ca_file` \
                           (without one, of the system), it has expired, or its host name is not the one in \
                           `kafka.bootstrap_servers` or `advertised.listeners`";
const OURS: &str =
    "the broker wants a certificate that it trusts: `kafka.tls.cert_file` and `kafka.tls.key_file`";
const NO_TLS: &str = "no TLS could be agreed on: is it the port of a listener with TLS? `kafka.tls`";
const MECHANISM: &str = "another `kafka.sasl.mechanism` is expected";
const TOKEN: &str = "the token in `kafka.sasl.token_file` is not accepted: it may have expired";
const PASSWORD: &str = "`kafka.sasl.username` and what is in `kafka.sasl.password_file` (or `client_secret_file`) are not \
                        accepted";

/// The first thing that brokers refused.
#[derive(Default)]
pub struct Refusal(pub OnceLock<String>);

impl Refusal {
    /// Takes note of what librdkafka says; with what is wrong and what to do, where brokers refuse to talk to us.
    pub fn hear(&self, code: Option<Code>, reason: &str, has_token: bool) -> Option<String> {
        let told = format!("{}: {}", Visible(essence(reason)), remedy(code, reason, has_token)?);
        // The first is as good as the others.
        let _ = self.0.set(told.clone());
        Some(told)
    }
}

/// What to do about it.
fn remedy(code: Option<Code>, reason: &str, has_token: bool) -> Option<&'static str> {
    let says = |words: &str| reason.contains(words);
    Some(match code {
        _ if says("certificate verify failed") => CERTIFICATE,
        _ if says("SSL alert number 42") || says("alert certificate") || says("alert unknown ca") => OURS,
        Some(Code::SSL) => NO_TLS,
        Some(Code::Authentication) if says("Unsupported SASL mechanism") => MECHANISM,
        Some(Code::Authentication) if has_token => TOKEN,
        Some(Code::Authentication) => PASSWORD,
        _ => return None,
    })
}

/// Without what librdkafka says of its own settings, and of how long it took.
fn essence(reason: &str) -> &str {
    let reason = if reason.starts_with("[thrd:") {
        reason.split_once("]: ").map_or(reason, |(_, rest)| rest)
    } else {
        reason
    };
    let ends = [" (after ", ": broker certificate could not", ": client SSL"];
    ends.iter().fold(reason, |reason, end| reason.split(end).next().unwrap_or(reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_setting() {
        let login = "sasl_ssl://b:1/bootstrap: SASL authentication error: no (after 300ms in state AUTH_REQ)";
        for (code, reason, has_token, told) in [
            (
                Some(Code::SSL),
                "ssl://b:1/1: certificate verify failed: broker certificate could not",
                false,
                CERTIFICATE,
            ),
            (Some(Code::SSL), "ssl://b:1/1: wrong version number (after 2ms)", false, NO_TLS),
            (Some(Code::BrokerTransportFailure), "alert bad certificate: SSL alert number 42", false, OURS),
            (Some(Code::Authentication), login, false, PASSWORD),
            (Some(Code::Authentication), login, true, TOKEN),
            (Some(Code::Authentication), "Unsupported SASL mechanism: PLAIN", false, MECHANISM),
            (None, "[thrd:b]: certificate verify failed", false, CERTIFICATE),
        ] {
            let refusal = Refusal::default();
            let heard = refusal.hear(code, reason, has_token).unwrap();
            assert!(heard.ends_with(told), "{heard}");
            assert!(!["after", "ssl.ca", "could not", "thrd"].iter().any(|words| heard.contains(words)));
            assert_eq!(refusal.0.get(), Some(&heard));
        }
        assert!(
            Refusal::default()
                .hear(Some(Code::BrokerTransportFailure), "Connection refused", false)
                .is_none()
        );
    }
}
