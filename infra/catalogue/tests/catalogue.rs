//! The catalogue of any bundle, shown on that of the library.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use catalogue::released::{self, RELEASED};
use catalogue::{FOLDER, Message, asyncapi, stale, written};
use saphyr::{LoadableYamlNode, Yaml};
use template::written::renew;
use testkit::agreement::{explained, judged};

#[test]
fn schemas_and_readers_of_another_business_agree_as_well() {
    let judged = judged(&library::bundle(), 300, 7);
    let disagreements: Vec<_> = judged.iter().filter(|one| one.is_disagreement()).collect();
    assert!(disagreements.is_empty(), "{disagreements:#?}");
    let taken = judged.iter().filter(|one| one.refused.is_none()).count();
    assert!(
        taken > 100 && judged.len() - taken > 500,
        "{taken} of {}",
        judged.len()
    );
    assert!(explained(&judged).len() >= 3, "{:?}", explained(&judged));
}

#[test]
fn a_judge_that_says_otherwise_is_a_disagreement() {
    let judged = judged(&library::bundle(), 0, 0);
    let mut one = judged
        .into_iter()
        .find(|one| one.valid == Some(true) && one.limit.is_none());
    let one = one.as_mut().expect("an example is right");
    assert!(!one.is_disagreement());
    one.valid = Some(false);
    assert!(one.is_disagreement(), "the reader takes what the schema refuses");
    one.valid = Some(true);
    one.refused = Some("for a reason that a schema can say".to_owned());
    assert!(one.is_disagreement(), "the schema takes what the reader refuses");
}

/// All places that a document refers to, and the names of all that it holds by their places.
fn places(node: &Yaml<'_>, place: &str, referred: &mut BTreeSet<String>, there: &mut BTreeSet<String>) {
    there.insert(place.to_owned());
    for (name, value) in node.as_mapping().into_iter().flatten() {
        let name = name.as_str().expect("names are texts");
        if let ("$ref", Some(to)) = (name, value.as_str()) {
            referred.insert(to.to_owned());
        }
        places(value, &format!("{place}/{name}"), referred, there);
    }
    for value in node.as_sequence().into_iter().flatten() {
        places(value, &format!("{place}/-"), referred, there);
    }
}

#[test]
fn every_queue_and_the_event_bus_are_told_with_who_sends_and_who_receives() {
    let bundle = library::bundle();
    let document = asyncapi(&bundle);
    let document = Yaml::load_from_str(&document).expect("it is YAML");
    let (mut referred, mut there) = (BTreeSet::new(), BTreeSet::new());
    places(&document[0], "#", &mut referred, &mut there);
    let schemas: BTreeSet<_> = Message::all(&bundle)
        .iter()
        .map(|message| format!("./schemas/{}.json", message.name()))
        .collect();
    there.extend(schemas.clone());
    let nowhere: Vec<_> = referred.difference(&there).collect();
    assert!(nowhere.is_empty(), "{nowhere:?}");
    assert!(schemas.is_subset(&referred), "every message is told");
    for queue in bundle.registry.queues() {
        assert!(there.contains(&format!("#/channels/{queue}")), "{queue}");
    }
    for operation in [
        "lend-book",
        "on-book-lent.remind-member",
        "relay-events.on-book-lent",
        "relay-events.event-bus",
    ] {
        assert!(
            there.contains(&format!("#/operations/{operation}")),
            "{operation}: {there:#?}"
        );
    }
}

#[test]
fn what_is_missing_stale_or_left_over_is_found_and_renewed() {
    let bundle = library::bundle();
    let root = tempfile::tempdir().expect("a folder");
    let root = root.path();
    let renewed = |root: &Path| {
        let stale = stale(&bundle, root).expect("the files can be read");
        renew(&written(&bundle), root, &stale).expect("the files can be written");
        stale
            .iter()
            .map(|file| file.path().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(renewed(root).len(), Message::all(&bundle).len() + 1);
    assert!(renewed(root).is_empty());
    let schemas = root.join(FOLDER).join("schemas");
    fs::write(schemas.join("Gone.json"), "{}").expect("a file");
    fs::write(schemas.join("BookLent.json"), "{}").expect("a file");
    assert_eq!(renewed(root).len(), 2);
    assert!(!schemas.join("Gone.json").exists());
}

#[test]
fn a_promise_is_kept_until_it_is_broken() {
    let bundle = library::bundle();
    let root = tempfile::tempdir().expect("a folder");
    let root = root.path();
    let broken = || -> Vec<_> {
        let broken = released::breaks(&bundle, root).expect("the record can be read");
        broken.iter().map(ToString::to_string).collect()
    };
    assert!(broken().is_empty(), "there is no release yet");
    fs::create_dir_all(root.join(FOLDER)).expect("a folder");
    let record = released::record(&bundle);
    let put = |text: &str| fs::write(root.join(FOLDER).join(RELEASED), text).expect("a file");
    put(&record);
    assert!(broken().is_empty());
    put(&record.replacen("\"BookLent\":", "\"BookGiven\":", 1));
    assert_eq!(
        broken(),
        [
            "BookGiven: it is gone. Against the rule that a type stays (Changing a message, in shared/README.md): keep \
          what was promised, or declare a new version or a new type"
        ]
    );
    put("{");
    let error = released::breaks(&bundle, root).expect_err("it is no JSON");
    assert!(
        error
            .to_string()
            .contains("infra/catalogue/released.json is no JSON"),
        "{error}"
    );
}
