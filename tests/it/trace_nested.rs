//! Repositories within and behind others: submodules, objects borrowed from who borrows them, and a start further down.

use crate::leaks::{Repo, of, openrouter, run};
use serde_json::json;
use std::fs;

#[test]
fn submodules_are_searched_and_those_within_them() {
    let (Some(mut inner), Some(mut middle), Some(mut outer)) =
        (Repo::new(&[]), Repo::new(&[]), Repo::new(&[]))
    else {
        return;
    };
    let (deep, between) = (openrouter(21), openrouter(22));
    inner.write("secret", format!("{deep}\n"));
    inner.commit("key");
    inner.write("secret", "gone\n");
    inner.commit("out");
    middle.write("env", format!("{between}\n"));
    middle.commit("key");
    middle.git(&["rm", "-q", "env"]);
    middle.commit("out");
    middle.git(&["submodule", "add", "-q", inner.path().to_str().unwrap(), "inner"]);
    middle.commit("inner");
    outer.git(&["submodule", "add", "-q", middle.path().to_str().unwrap(), "lib/middle"]);
    outer.git(&["submodule", "update", "-q", "--init", "--recursive"]);
    outer.commit("middle");
    let keys = [deep.as_str(), between.as_str()];
    let told = outer.leaks(&[], &keys);
    assert_eq!(told.len(), 2, "{told:#?}");
    for key in keys {
        let place = &of(&told, key)["places"][0];
        assert_eq!(place["at_head"], json!(false), "{place:#?}");
    }
    // One that is checked out no more is there all the same.
    outer.git(&["submodule", "deinit", "-q", "-f", "lib/middle"]);
    assert_eq!(outer.leaks(&[], &keys).len(), 2);
}

#[test]
fn objects_that_are_borrowed_from_who_borrows_them_are_searched() {
    let (Some(mut first), Some(outside)) = (Repo::new(&[]), Some(tempfile::tempdir().unwrap())) else {
        return;
    };
    let key = openrouter(23);
    first.write("a", format!("{key}\n"));
    first.commit("key");
    let to = |name: &str| outside.path().join(name).to_str().unwrap().to_owned();
    first.git(&["clone", "-q", "--shared", first.path().to_str().unwrap(), &to("second")]);
    first.git(&["clone", "-q", "--shared", &to("second"), &to("third")]);
    // Only who lends to the second has it.
    let alternates = fs::read_to_string(outside.path().join("third/.git/objects/info/alternates")).unwrap();
    assert!(alternates.contains("second"), "{alternates}");
    fs::write(
        outside.path().join("third/.git/objects/info/alternates"),
        format!("{}/.git/objects\n", to("second")),
    )
    .unwrap();
    let ran = run(outside.path(), &["--json", "--no-files", "third"], &[key.as_str()]);
    assert_eq!(ran.events().len(), 1, "{}", ran.stderr);
    assert!(!ran.stderr.contains("not searched"), "{}", ran.stderr);
    // A circle of lenders is told and not followed for ever.
    fs::create_dir_all(first.path().join(".git/objects/info")).unwrap();
    fs::write(first.path().join(".git/objects/info/alternates"), format!("{}/.git/objects\n", to("third")))
        .unwrap();
    let ran = run(outside.path(), &["--json", "--no-files", "third"], &[key.as_str()]);
    assert!(ran.code == Some(65) && ran.stderr.contains("leads in a circle"), "{}", ran.stderr);
}

#[test]
fn started_further_down_it_is_the_same_repository() {
    let Some(mut repo) = Repo::new(&[]) else { return };
    let (old, here, beside) = (openrouter(24), openrouter(25), openrouter(26));
    repo.write("old", format!("{old}\n"));
    repo.commit("key");
    repo.git(&["rm", "-q", "old"]);
    repo.commit("out");
    let here_path = repo.write("src/deep/env", format!("{here}\n"));
    repo.write("src/other/env", format!("{beside}\n"));
    let folder = here_path.parent().unwrap();
    let keys = [old.as_str(), here.as_str(), beside.as_str()];
    let told = run(folder, &["--json"], &keys).events();
    assert_eq!(told.len(), 2, "all of history, and of the files those of this folder: {told:#?}");
    assert_eq!(of(&told, &old)["places"][0]["path"], json!("old"));
    assert_eq!(of(&told, &here)["places"][0]["path"], json!("env"));
    // A folder that is named is searched by itself.
    assert_eq!(run(repo.path(), &["--json", "src/deep"], &keys).events().len(), 1);
}
