//! What a sink of the type `email` is told, checked.

use super::SinkConfig;
use crate::net::address::is_local;

const ENCRYPTIONS: [&str; 3] = ["starttls", "tls", "none"];
/// Receivers of one mail.
const RECEIVERS_MAX: usize = 50;

/// What is wrong, and with which setting.
pub(super) fn check(config: &SinkConfig) -> Result<(), (&'static str, String)> {
    if !ENCRYPTIONS.contains(&config.encryption.as_str()) {
        return Err((
            "encryption",
            format!("is `{}`; {} is expected", config.encryption, ENCRYPTIONS.join(", ")),
        ));
    }
    if config.kind != "email" {
        return Ok(());
    }
    let host = config.address.rsplit_once(':').map_or("", |(host, _)| host);
    if config.encryption == "none" && !is_local(host) {
        let message = "without encryption everybody on the way can read alerts and the password; only a server on this \
                       machine may be without";
        return Err(("encryption", message.to_owned()));
    }
    if !is_address(&config.from) {
        return Err(("from", format!("`{}` is no address; `keyhound@example.org` is expected", config.from)));
    }
    if let Some(wrong) = config.to.iter().find(|to| !is_address(to)) {
        return Err(("to", format!("`{wrong}` is no address; `name@example.org` is expected")));
    }
    if config.to.len() > RECEIVERS_MAX {
        return Err(("to", format!("are {}; up to {RECEIVERS_MAX} are expected", config.to.len())));
    }
    let has_password = !config.password_file.as_os_str().is_empty();
    match (config.username.is_empty(), has_password) {
        (true, true) => Err(("username", "is missing: the password is there without it".to_owned())),
        (false, false) => Err(("password_file", "is missing: the name is there without it".to_owned())),
        _ if config.username.chars().any(char::is_control) => {
            Err(("username", "holds something that cannot stand in a name".to_owned()))
        }
        _ => Ok(()),
    }
}

/// Whether a text is an address and nothing else: it goes into commands and headers as it is.
fn is_address(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&byte);
    let is_domain = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
    let Some((name, domain)) = text.rsplit_once('@') else { return false };
    !name.is_empty()
        && !domain.is_empty()
        && text.len() <= 254
        && name.bytes().all(is_word)
        && domain.bytes().all(is_domain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(change: impl Fn(&mut SinkConfig)) -> Result<(), String> {
        let mut config = SinkConfig {
            kind: "email".to_owned(),
            address: "mail.example.org:587".to_owned(),
            from: "keyhound@example.org".to_owned(),
            to: vec!["soc@example.org".to_owned()],
            ..SinkConfig::default()
        };
        change(&mut config);
        check(&config).map_err(|(setting, message)| format!("{setting}: {message}"))
    }

    #[test]
    fn nothing_but_addresses_goes_into_commands() {
        assert_eq!(config(|_| {}), Ok(()));
        for (from, is_one) in [
            ("a.b+c=d@mail.example.org", true),
            ("a@localhost", true),
            ("a@x>\r\nRCPT TO:<b@y", false),
            ("a b@x", false),
            ("<a@x>", false),
            ("a@x,b@y", false),
            ("ü@x", false),
            ("a@[127.0.0.1]", false),
            ("a", false),
            ("@x", false),
        ] {
            assert_eq!(config(|config| from.clone_into(&mut config.from)).is_ok(), is_one, "{from}");
            assert_eq!(config(|config| config.to.push(from.to_owned())).is_ok(), is_one, "{from}");
        }
    }

    #[test]
    fn what_would_be_read_by_others_is_refused() {
        let none = |address: &str| {
            config(|config| (config.encryption, config.address) = ("none".to_owned(), address.to_owned()))
        };
        assert!(none("127.0.0.1:25").is_ok() && none("localhost:25").is_ok() && none("[::1]:25").is_ok());
        assert!(none("mail.example.org:25").unwrap_err().starts_with("encryption: without encryption"));
        let told = config(|config| "x".clone_into(&mut config.username)).unwrap_err();
        assert!(told.starts_with("password_file: is missing"), "{told}");
        let told = config(|config| config.password_file = "x".into()).unwrap_err();
        assert!(told.starts_with("username: is missing"), "{told}");
    }
}
