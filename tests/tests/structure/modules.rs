//! The modules of a crate, what each defines, and which of the others it uses.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::tokens::{Token, tokens_of};

/// For each module, which others it uses, with the name of something that it uses of each.
pub type Uses = BTreeMap<String, BTreeMap<String, String>>;

/// A path in a crate, from its root: `["trace", "key"]`.
type Place = Vec<String>;

/// The modules of a crate by their paths; the root's is empty.
pub struct Krate(BTreeMap<Place, Module>);

#[derive(Default)]
struct Module {
    children: BTreeSet<String>,
    defined: BTreeSet<String>,
    imports: Vec<Import>,
    /// Paths that stand in the code, such as `letters::look`, and single names.
    named: Vec<Vec<String>>,
}

/// A name that a `use` brings in.
struct Import {
    /// As the module calls it; `*` for all of what the path leads to.
    name: String,
    path: Vec<String>,
    is_public: bool,
}

/// Where a path leads.
enum Found {
    Module(Place),
    /// Something that is defined in the module, and its name.
    Item(Place, String),
}

impl Krate {
    /// Reads the file of a crate's root and those of all modules.
    pub fn read(root: &Path) -> Self {
        let mut krate = Self(BTreeMap::new());
        let folder = root.parent().expect("a file is in a folder");
        krate.read_module(root, folder, &[]);
        krate
    }

    /// A crate of modules by their paths, as `("a::b", "source")`.
    pub fn of_texts(files: &[(&str, &str)]) -> Self {
        let place = |path: &str| -> Place {
            let names = path.split("::").filter(|name| !name.is_empty());
            names.map(str::to_owned).collect()
        };
        let modules = files.iter();
        Self(
            modules
                .map(|(path, text)| (place(path), Module::of(text)))
                .collect(),
        )
    }

    fn read_module(&mut self, file: &Path, folder: &Path, place: &[String]) {
        let source = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let module = Module::of(&source);
        for child in module.children.clone() {
            let of_child = folder.join(&child);
            let file = [folder.join(format!("{child}.rs")), of_child.join("mod.rs")];
            let file = file.iter().find(|file| file.is_file());
            let file = file.unwrap_or_else(|| panic!("there is no file of {child} in {}", folder.display()));
            self.read_module(file, &of_child, &[place, &[child]].concat());
        }
        self.0.insert(place.to_vec(), module);
    }

    /// For each module, the others of which it names something, and one of the names.
    pub fn uses(&self) -> Uses {
        let shown = |place: &Place| match place.as_slice() {
            [] => "the root".to_owned(),
            names => names.join("::"),
        };
        let used = |place: &Place| {
            let used = self.used_by(place).into_iter();
            used.map(|(of, name)| (shown(&of), name)).collect()
        };
        self.0.keys().map(|place| (shown(place), used(place))).collect()
    }

    fn used_by(&self, place: &Place) -> BTreeMap<Place, String> {
        let module = &self.0[place];
        let mut used = BTreeMap::new();
        let mut note = |found: Option<Found>| {
            if let Some(Found::Item(of, name)) = found
                && of != *place
            {
                used.entry(of).or_insert(name);
            }
        };
        for import in &module.imports {
            let found = self.find(place, &import.path, 0);
            let is_passed_on = import.is_public
                && matches!(&found, Some(Found::Item(of, _) | Found::Module(of)) if of.starts_with(place))
                && !module.named.iter().any(|path| path[0] == import.name);
            if !is_passed_on {
                note(found);
            }
        }
        for path in &module.named {
            note(self.find(place, path, 0));
        }
        used
    }

    /// Where a path leads that stands in the module `from`; none if it leads out of the crate.
    fn find(&self, from: &Place, path: &[String], depth: usize) -> Option<Found> {
        let mut at = from.clone();
        let mut rest = path;
        while let Some((first, others)) = rest.split_first() {
            match first.as_str() {
                "crate" => at.clear(),
                "self" => {}
                "super" => drop(at.pop()?),
                _ => break,
            }
            rest = others;
        }
        let Some((name, others)) = rest.split_first() else {
            return Some(Found::Module(at));
        };
        match self.look_up(&at, name, depth)? {
            Found::Module(module) if !others.is_empty() => {
                let path = [&["self".to_owned()], others].concat();
                self.find(&module, &path, depth)
            }
            found => Some(found),
        }
    }

    /// What a name stands for in a module.
    fn look_up(&self, at: &Place, name: &str, depth: usize) -> Option<Found> {
        let module = self.0.get(at)?;
        if module.children.contains(name)
            || self.0.contains_key(&[at.as_slice(), &[name.to_owned()]].concat())
        {
            return Some(Found::Module([at.as_slice(), &[name.to_owned()]].concat()));
        }
        if module.defined.contains(name) {
            return Some(Found::Item(at.clone(), name.to_owned()));
        }
        // Modules that import all of each other would be looked through for ever.
        if depth > 8 {
            return None;
        }
        let mut imports = module.imports.iter().filter(|import| import.name == name);
        if let Some(found) = imports.find_map(|import| self.find(at, &import.path, depth + 1)) {
            return Some(found);
        }
        let mut globs = module.imports.iter().filter(|import| import.name == "*");
        globs.find_map(|glob| match self.find(at, &glob.path, depth + 1)? {
            Found::Module(of) if of != *at => self.look_up(&of, name, depth + 1),
            _ => None,
        })
    }
}

impl Module {
    fn of(source: &str) -> Self {
        let tokens = tokens_of(source);
        let mut module = Self::default();
        let mut place = 0;
        let mut is_public = false;
        while let Some(token) = tokens.get(place) {
            let next = tokens.get(place + 1).map_or("", String::as_str);
            place += match token.as_str() {
                "pub" => {
                    is_public = true;
                    1 + visibility(&tokens[place + 1..])
                }
                "use" => {
                    let end = place + tokens[place..].iter().take_while(|token| *token != ";").count();
                    module.import(&mut tokens[place + 1..end].iter().peekable(), &[], is_public);
                    is_public = false;
                    end - place
                }
                "mod" if tokens.get(place + 2).is_some_and(|after| after == ";") => {
                    module.children.insert(next.to_owned());
                    is_public = false;
                    2
                }
                "struct" | "enum" | "trait" | "fn" | "type" | "const" | "static" | "union" => {
                    module.defined.insert(next.to_owned());
                    is_public = false;
                    1
                }
                "macro_rules" => {
                    module
                        .defined
                        .insert(tokens.get(place + 2).cloned().unwrap_or_default());
                    2
                }
                _ => {
                    is_public = false;
                    module.name(&tokens, place)
                }
            };
        }
        module
    }

    /// Takes in a tree such as `a::{B, c::{self, D as E}}`.
    fn import<'t>(
        &mut self,
        tokens: &mut std::iter::Peekable<impl Iterator<Item = &'t Token>>,
        before: &[String],
        is_public: bool,
    ) {
        let mut path = before.to_vec();
        let mut name = None;
        while let Some(token) = tokens.next() {
            match token.as_str() {
                "{" => {
                    while tokens.peek().is_some_and(|token| *token != "}") {
                        self.import(tokens, &path, is_public);
                    }
                    tokens.next();
                    tokens.next_if(|token| *token == ",");
                    return;
                }
                "as" => name = tokens.next().cloned(),
                "," => break,
                "*" => name = Some("*".to_owned()),
                "self" if !path.is_empty() => {}
                "::" => {}
                word => path.push(word.to_owned()),
            }
            if tokens.peek().is_some_and(|token| *token == "}") {
                break;
            }
        }
        if let Some(last) = path.last() {
            self.imports.push(Import {
                name: name.unwrap_or_else(|| last.clone()),
                path,
                is_public,
            });
        }
    }

    /// Notes the path or the single name at a place; how many tokens it takes.
    fn name(&mut self, tokens: &[Token], place: usize) -> usize {
        let is_word = |token: &Token| token.starts_with(|c: char| c.is_alphabetic() || c == '_');
        let before = place.checked_sub(1).map_or("", |before| tokens[before].as_str());
        // What a macro names is used where the macro is.
        if !is_word(&tokens[place]) || ["::", "$"].contains(&before) {
            return 1;
        }
        let mut path = vec![tokens[place].clone()];
        while let Some([sign, word]) = tokens.get(place + path.len() * 2 - 1..=place + path.len() * 2)
            && sign == "::"
            && is_word(word)
        {
            path.push(word.clone());
        }
        let length = path.len() * 2 - 1;
        // A field or method has the name of nothing else.
        if before != "." {
            self.named.push(path);
        }
        length
    }
}

/// The length of `(crate)` and its like.
fn visibility(tokens: &[Token]) -> usize {
    if tokens.first().is_some_and(|token| token == "(") {
        tokens.iter().take_while(|token| *token != ")").count() + 1
    } else {
        0
    }
}
