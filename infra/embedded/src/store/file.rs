//! A database in a file: looked at before it is opened for writing, so that a file that is none of ours, or
//! no longer whole, stays as it was found and is named in plain words.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use dynoxide::DynoxideError;
use dynoxide::storage::Storage;

use super::error::StoreError;
use crate::dynamodb::{STREAMS_SCHEMA, TOKENS_SCHEMA};

/// `dynoxide` looks up a table's newest stream record at each write and a reader's place at each read, and
/// keeps all records: without an index both go through everything that was ever written.
const STREAM_INDEX: &str = "CREATE INDEX IF NOT EXISTS _stream_records_in_order \
                            ON _stream_records (table_name, CAST(sequence_number AS INTEGER))";

/// How each SQLite database begins (<https://www.sqlite.org/fileformat.html>).
const MAGIC: &[u8] = b"SQLite format 3\0";
/// The tables by which a database of ours is known.
const OWN_TABLES: [&str; 3] = ["_config", "_tables", "_stream_records"];
/// What SQLite keeps beside a database.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

const KEEP_OR_MOVE: &str =
    "put a copy of the whole folder in its place, or move it away to begin with a new one";
const ANOTHER: &str = "name another folder, or move the file away";

/// Opens the database, which is made if there is none.
pub(super) fn open(path: &Path) -> Result<Storage, StoreError> {
    let refused = |problem: &str, remedy: &str| StoreError::File {
        path: path.to_owned(),
        problem: problem.to_owned(),
        remedy: remedy.to_owned(),
    };
    let name = path
        .to_str()
        .ok_or_else(|| refused("has a name that is not UTF-8", "name another folder"))?;
    match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => create(path)?,
        Err(error) => {
            return Err(refused(
                &format!("can't be looked at ({error})"),
                "see to its permissions",
            ));
        }
        Ok(found) if !found.is_file() => {
            return Err(refused("is not a file", ANOTHER));
        }
        Ok(_) => check(path)?,
    }
    let open = || {
        let storage = Storage::new(name)?;
        set_up(&storage)?;
        Ok(storage)
    };
    open().map_err(|error: DynoxideError| refusal(path, &error.to_string()))
}

/// What is in the database beside what `dynoxide` makes of it, in a file and in memory.
pub(super) fn set_up(storage: &Storage) -> Result<(), DynoxideError> {
    storage.conn().execute_batch(STREAM_INDEX)?;
    storage.conn().execute_batch(TOKENS_SCHEMA)?;
    Ok(storage.conn().execute_batch(STREAMS_SCHEMA)?)
}

/// A file that the database does not take.
pub(super) fn refusal(path: &Path, error: &str) -> StoreError {
    StoreError::File {
        path: path.to_owned(),
        problem: in_plain_words(error),
        remedy: KEEP_OR_MOVE.to_owned(),
    }
}

/// What SQLite writes to first.
pub(super) fn write_ahead_log(path: &Path) -> PathBuf {
    with_suffix(path, BESIDE[0])
}

/// Makes a database beside the place and moves it there: whoever is killed meanwhile leaves no half of one.
fn create(path: &Path) -> Result<(), StoreError> {
    let refused = |problem: String, remedy: &str| StoreError::File {
        path: path.to_owned(),
        problem,
        remedy: remedy.to_owned(),
    };
    for suffix in BESIDE {
        let beside = with_suffix(path, suffix);
        if fs::metadata(&beside).is_ok_and(|found| found.len() > 0) {
            let problem = format!(
                "is missing, and {}, which belongs to it, is there",
                beside.display()
            );
            return Err(refused(problem, KEEP_OR_MOVE));
        }
    }
    // Without a parent it is in the working folder, which is there.
    if path
        .parent()
        .is_some_and(|folder| !folder.as_os_str().is_empty() && !folder.is_dir())
    {
        return Err(refused(
            "can't be made: its folder is not there".to_owned(),
            "name one in a folder that exists",
        ));
    }
    let new = with_suffix(path, ".new");
    let unfinished = BESIDE.into_iter().map(|suffix| with_suffix(&new, suffix));
    for file in unfinished.chain([new.clone()]) {
        match fs::remove_file(&file) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                let problem = format!("can't be made: {} can't be removed ({error})", file.display());
                return Err(refused(problem, "see to the folder's permissions"));
            }
            _ => {}
        }
    }
    let name = new.to_str().unwrap_or_default();
    // Closed at once, which leaves all of it in the one file.
    Storage::new(name).map(drop).map_err(|error| {
        let problem = format!("can't be made: it {}", in_plain_words(&error.to_string()));
        refused(
            problem,
            "see to the folder's permissions and the space on its disk",
        )
    })?;
    fs::rename(&new, path).map_err(|error| {
        refused(
            format!("can't be made ({error})"),
            "see to the folder's permissions",
        )
    })
}

/// Refuses a file that is not a whole database of ours, and leaves it as it is.
fn check(path: &Path) -> Result<(), StoreError> {
    let refused = |problem: &str, remedy: &str| StoreError::File {
        path: path.to_owned(),
        problem: problem.to_owned(),
        remedy: remedy.to_owned(),
    };
    let file = OpenOptions::new().read(true).write(true).open(path);
    let mut file = file.map_err(|error| {
        refused(
            &format!("can't be opened for writing ({error})"),
            "see to its permissions and those of its folder",
        )
    })?;
    let mut beginning = Vec::new();
    let read = Read::by_ref(&mut file)
        .take(MAGIC.len() as u64)
        .read_to_end(&mut beginning);
    read.map_err(|error| refused(&format!("can't be read ({error})"), KEEP_OR_MOVE))?;
    if beginning.is_empty() {
        return Err(refused("is empty, which a database never is", KEEP_OR_MOVE));
    }
    if beginning != MAGIC {
        return Err(refused("is not a database", ANOTHER));
    }
    let found = look(path).map_err(|error| refused(&in_plain_words(&error.to_string()), KEEP_OR_MOVE))?;
    match found {
        Found::Whole => Ok(()),
        Found::Foreign => Err(refused("is another program's database", ANOTHER)),
        Found::Damaged => Err(refused("is damaged", KEEP_OR_MOVE)),
    }
}

enum Found {
    Whole,
    Foreign,
    Damaged,
}

/// What a database holds, without a change to it.
fn look(path: &Path) -> Result<Found, DynoxideError> {
    let storage = Storage::memory()?;
    let connection = storage.conn();
    let path =
        fs::canonicalize(path).map_err(|error| DynoxideError::InternalServerError(error.to_string()))?;
    let url = format!("file:{}?mode=ro", percent_encoded(&path.to_string_lossy()));
    connection.execute("ATTACH DATABASE ?1 AS given", [&url])?;
    for table in OWN_TABLES {
        let query = "SELECT COUNT(*) FROM given.sqlite_master WHERE type = 'table' AND name = ?1";
        let count: i64 = connection.query_row(query, [table], |row| row.get(0))?;
        if count == 0 {
            return Ok(Found::Foreign);
        }
    }
    let whole: String = connection.query_row("PRAGMA given.quick_check(1)", [], |row| row.get(0))?;
    Ok(if whole == "ok" {
        Found::Whole
    } else {
        Found::Damaged
    })
}

/// The path of a file whose URL it becomes part of.
fn percent_encoded(path: &str) -> String {
    let encoded = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'/' | b'.' | b'_' | b'-' | b'~' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    path.bytes().map(encoded).collect()
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// What a failure of the database means, for whoever does not know what it is made of.
pub(crate) fn in_plain_words(error: &str) -> String {
    let meanings = [
        ("malformed", "is damaged"),
        ("not a database", "is not a database, or damaged"),
        ("not a valid", "is not a database, or damaged"),
        ("database is locked", "is in use by another program"),
        ("disk is full", "can't be written: the disk is full"),
        (
            "disk I/O error",
            "can't be read or written: the disk, or its file system, fails",
        ),
        ("readonly", "can't be written"),
        ("read-only", "can't be written"),
        ("unable to open", "can't be opened"),
        ("newer", "was written by a newer version"),
    ];
    let meaning = meanings.into_iter().find(|(part, _)| error.contains(part));
    meaning
        .map_or("can't be used by this version", |(_, meaning)| meaning)
        .to_owned()
}

// A test that can't set its stage has to stop there.
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::{Seek, SeekFrom, Write};

    use serde_json::json;

    use super::*;
    use crate::dynamodb::DynamoDb;

    const TABLE: &str = r#"{"TableName": "events", "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}]}"#;

    fn filled(path: &Path) {
        let database = DynamoDb::open(path).unwrap();
        assert_eq!(database.handle("CreateTable", TABLE.as_bytes()).status, 200);
        for id in 0..200 {
            let item = json!({"TableName": "events", "Item": {"id": {"S": id.to_string()}, "x": {"S": "x".repeat(500)}}});
            assert_eq!(
                database.handle("PutItem", item.to_string().as_bytes()).status,
                200
            );
        }
    }

    fn refusal(path: &Path) -> String {
        let before = fs::read(path).unwrap_or_default();
        let error = DynamoDb::open(path).expect_err("it can't be used").to_string();
        assert_eq!(
            fs::read(path).unwrap_or_default(),
            before,
            "it was changed: {error}"
        );
        assert!(error.starts_with(&path.display().to_string()), "{error}");
        assert!(!error.contains('\n'), "{error}");
        for word in ["SQL", "sql", "feature", "encryption", "Internal", "code"] {
            assert!(!error.contains(word), "{error}");
        }
        error
    }

    #[test]
    fn a_file_that_is_no_whole_database_of_ours_is_named_and_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);

        fs::write(path("empty"), "").unwrap();
        assert!(refusal(&path("empty")).contains("is empty"));
        fs::write(path("text"), "my shopping list, long enough to be one").unwrap();
        assert!(refusal(&path("text")).contains("is not a database"));
        fs::write(path("short"), "SQLite format 3\0").unwrap();
        assert!(refusal(&path("short")).contains("damaged"));
        fs::create_dir(path("folder")).unwrap();
        assert!(refusal(&path("folder")).contains("is not a file"));

        let foreign = path("foreign 100%?#");
        let storage = Storage::memory().unwrap();
        let made = format!(
            "ATTACH DATABASE 'file:{}' AS other; CREATE TABLE other.notes (body TEXT);",
            percent_encoded(foreign.to_str().unwrap())
        );
        storage.conn().execute_batch(&made).unwrap();
        drop(storage);
        assert!(refusal(&foreign).contains("another program's"));

        filled(&path("half"));
        let length = fs::metadata(path("half")).unwrap().len();
        OpenOptions::new()
            .write(true)
            .open(path("half"))
            .unwrap()
            .set_len(length / 2)
            .unwrap();
        assert!(refusal(&path("half")).contains("is damaged"));

        filled(&path("scratched"));
        let mut file = OpenOptions::new().write(true).open(path("scratched")).unwrap();
        file.seek(SeekFrom::Start(4096)).unwrap();
        file.write_all(&vec![0xA5; 32 * 1024]).unwrap();
        assert!(refusal(&path("scratched")).contains("is damaged"));

        filled(&path("gone"));
        fs::rename(path("gone"), path("elsewhere")).unwrap();
        fs::write(path("gone-wal"), "what was written last").unwrap();
        assert!(refusal(&path("gone")).contains("gone-wal, which belongs to it, is there"));
    }

    #[test]
    fn a_database_whose_making_was_interrupted_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tables");
        fs::write(with_suffix(&path, ".new"), "half").unwrap();
        fs::write(with_suffix(&path, ".new-wal"), "half").unwrap();
        filled(&path);
        drop(DynamoDb::open(&path).unwrap());
        assert!(!with_suffix(&path, ".new").exists());
    }

    #[test]
    fn tables_whose_names_differ_only_in_case_are_refused_in_plain_words() {
        let folder = tempfile::tempdir().unwrap();
        let database = DynamoDb::open(folder.path().join("tables")).unwrap();
        assert_eq!(database.handle("CreateTable", TABLE.as_bytes()).status, 200);
        for name in ["Events", "_tables", "sqlite_schema", "_config"] {
            let refused = database.handle("CreateTable", TABLE.replace("events", name).as_bytes());
            let said = String::from_utf8(refused.body.to_vec()).unwrap();
            assert_eq!(refused.status, 400, "{said}");
            assert!(said.contains("ValidationException"), "{said}");
            assert!(
                !said.contains("SQL") && !said.contains("already exists"),
                "{said}"
            );
        }
    }
}
