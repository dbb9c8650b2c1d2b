//! Lists of keys: nothing of a list makes another of what is listed, and what is told twice counts once.

use crate::rulebook;
use keyhound::inventory::{Found, Lists, Register};

/// Checks a list as a provider tells it.
pub fn check(data: &[u8]) {
    let read = |times: usize| {
        let mut lists = Lists::default();
        let results: Vec<bool> = (0..times).map(|_| lists.add_json(data).is_ok()).collect();
        lists.settle();
        (results, lists)
    };
    let ((once, lists), (twice, again)) = (read(1), read(2));
    assert_eq!(once, twice[..1]);
    let named = |lists: &Lists| lists.keys.iter().filter(|key| !key.shown().is_empty()).count();
    assert_eq!(named(&lists), named(&again), "told twice");
    let namer = &rulebook().namer;
    let shown: Vec<String> = lists.keys.iter().map(|key| key.shown().to_owned()).filter(|name| !name.is_empty()).collect();
    let register = Register::new(lists, namer);
    for name in shown {
        // What a list has is found under what it shows, if only among others of which the same is left.
        let id = namer.id(name.as_bytes());
        assert_ne!(register.find(id, &name), Found::Nothing, "{name}");
        assert!(!register.misses(id, &name));
    }
}
