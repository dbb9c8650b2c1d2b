//! Reading times against `jiff`, on the notation that both know: RFC 3339 with an offset.

use keyhound::time::{Stamp, TimeError, Timestamp, parse};

/// Any bytes.
pub fn check(data: &[u8]) {
    let ours = parse(data);
    if let Ok(stamp) = ours {
        assert!(Timestamp::EARLIEST <= stamp.at && stamp.at < Timestamp::LATEST, "{}", stamp.at);
        let shown = stamp.to_string();
        assert_eq!(parse(shown.as_bytes()), Ok(stamp), "what is shown is what was read: {shown}");
        assert_eq!(jiff_reads(&shown), Some(stamp.at.0.into()), "{shown}");
        assert_eq!(parse(Stamp::utc(stamp.at).to_string().as_bytes()).map(|stamp| stamp.at), Ok(stamp.at));
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    if !is_rfc_3339(text) {
        return;
    }
    match (jiff_reads(text), ours) {
        (Some(theirs), Ok(stamp)) => assert_eq!(i128::from(stamp.at.0), theirs, "{text}"),
        (Some(theirs), Err(error)) => {
            let ours = |at: &Timestamp| i128::from(at.0);
            let known = ours(&Timestamp::EARLIEST)..ours(&Timestamp::LATEST);
            assert!(error == TimeError::OutOfRange && !known.contains(&theirs), "{text}: {error}");
        }
        (None, Ok(stamp)) => panic!("{text}: read as {stamp}"),
        (None, Err(_)) => {}
    }
}

/// Nanoseconds since 1970.
fn jiff_reads(text: &str) -> Option<i128> {
    text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_nanosecond)
}

/// `yyyy-mm-ddThh:mm:ss`, up to nine fraction digits, and `Z` or an offset of less than a day. `jiff` refuses
/// more digits, which we cut, and takes offsets of up to 25 hours, which no zone has.
fn is_rfc_3339(text: &str) -> bool {
    let bytes = text.as_bytes();
    let Some((fixed, rest)) = bytes.split_at_checked(19) else { return false };
    let shape: Vec<u8> = fixed.iter().map(|byte| if byte.is_ascii_digit() { b'0' } else { *byte }).collect();
    if !matches!(&shape[..], b"0000-00-00T00:00:00" | b"0000-00-00t00:00:00" | b"0000-00-00 00:00:00") {
        return false;
    }
    let rest = match rest.split_first() {
        Some((b'.', rest)) => {
            let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if !(1..=9).contains(&digits) {
                return false;
            }
            &rest[digits..]
        }
        _ => rest,
    };
    match *rest {
        [b'Z' | b'z'] => true,
        [b'+' | b'-', tens @ b'0'..=b'2', ones @ b'0'..=b'9', b':', b'0'..=b'5', b'0'..=b'9'] => {
            tens < b'2' || ones < b'4'
        }
        _ => false,
    }
}
