//! Which module uses which, read from the source.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// A module's path below the crate: `["gateway", "mime"]`.
pub(super) type Module = Vec<String>;

/// A file of `src/`.
pub(super) struct Source {
    /// Its path in `src/`, such as `gateway/mime.rs`.
    pub(super) path: String,
    /// Its code, without comments and without its tests.
    code: String,
    module: Module,
}

impl Source {
    pub(super) fn new(path: &str, text: &str) -> Self {
        let text = text
            .replace("#[cfg(test)]\nmod tests;", "")
            .replace("#[cfg(test)]\npub(crate) mod fake;", "");
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        let code = code
            .lines()
            .map(|line| line.split("//").next().unwrap_or_default());
        let name = path.trim_end_matches(".rs").trim_end_matches("/mod");
        let module = match name {
            "lib" | "main" => Vec::new(),
            _ => name.split('/').map(str::to_owned).collect(),
        };
        Self {
            path: path.to_owned(),
            code: code.collect::<Vec<_>>().join("\n"),
            module,
        }
    }

    /// The module directly below the crate that the file is or belongs to.
    pub(super) fn top(&self) -> &str {
        let first = self.path.split('/').next().unwrap_or_default();
        first.trim_end_matches(".rs")
    }

    /// Whether the code contains a word or a path that ends with `::`.
    pub(super) fn has(&self, word: &str) -> bool {
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        self.code.match_indices(word).any(|(at, _)| {
            let whole = word.ends_with(':') || !self.code[at + word.len()..].starts_with(is_part);
            whole && !self.code[..at].ends_with(is_part)
        })
    }

    /// The paths in the code that begin with `crate::`, `super::` or `self::`, from the crate's root.
    fn paths(&self) -> Vec<Vec<String>> {
        let mut paths = Vec::new();
        for keyword in ["crate::", "super::", "self::"] {
            for (at, _) in self.code.match_indices(keyword) {
                let before = &self.code[..at];
                let inside = before.ends_with("::")
                    || before.ends_with(|c: char| c.is_alphanumeric() || c == '_');
                if !inside {
                    expand(&self.code[at..], &[], &mut paths);
                }
            }
        }
        paths.into_iter().map(|path| self.absolute(path)).collect()
    }

    fn absolute(&self, path: Vec<String>) -> Vec<String> {
        let mut base = self.module.clone();
        let mut names = path.into_iter().peekable();
        while let Some(name) = names.next_if(|name| ["crate", "super", "self"].contains(&&**name)) {
            match &*name {
                "crate" => base.clear(),
                "super" => drop(base.pop()),
                _ => {}
            }
        }
        base.extend(names);
        base
    }

    /// The names that `pub use` gives on, with their paths from the crate's root.
    fn reexports(&self, modules: &BTreeSet<Module>) -> BTreeMap<String, Vec<String>> {
        let mut paths = Vec::new();
        for statement in self.code.split(';') {
            let statement = statement.trim_start();
            let Some((before, tree)) = statement.split_once("use ") else {
                continue;
            };
            if before.starts_with("pub") && before.lines().count() == 1 {
                expand(tree, &[], &mut paths);
            }
        }
        let mut names = BTreeMap::new();
        for path in paths {
            let Some(name) = path.last().cloned() else {
                continue;
            };
            let mut child = self.module.clone();
            child.extend(path.first().cloned());
            let path = match path.first().map(String::as_str) {
                Some("crate" | "super" | "self") => self.absolute(path),
                _ if modules.contains(&child) => [self.module.clone(), path].concat(),
                _ => continue,
            };
            names.insert(name, path);
        }
        names
    }
}

/// Adds the paths of a `use` tree or of an expression, which begins `text`.
fn expand(text: &str, prefix: &[String], paths: &mut Vec<Vec<String>>) {
    let mut path = prefix.to_vec();
    let mut rest = text.trim_start();
    loop {
        if let Some(group) = rest.strip_prefix('{') {
            for tree in split_group(group) {
                expand(tree, &path, paths);
            }
            return;
        }
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_'));
        let (name, after) = rest.split_at(end.unwrap_or(rest.len()));
        if !name.is_empty() {
            path.push(name.to_owned());
        }
        match after.strip_prefix("::") {
            Some(next) if !name.is_empty() => rest = next.trim_start(),
            _ => break,
        }
    }
    if path.last().is_some_and(|name| name == "self") && path.len() > 1 {
        path.pop();
    }
    paths.push(path);
}

/// The trees in `a::{b, c}, d}`, up to the closing brace.
fn split_group(group: &str) -> Vec<&str> {
    let mut trees = Vec::new();
    let (mut depth, mut start) = (0, 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                trees.push(group[start..at].trim());
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    trees.retain(|tree| !tree.is_empty());
    trees
}

/// All files of the crate, and what they use of each other.
pub(super) struct Crate {
    pub(super) sources: Vec<Source>,
    modules: BTreeSet<Module>,
    reexports: BTreeMap<Module, BTreeMap<String, Vec<String>>>,
}

impl Crate {
    /// Reads `src/`.
    pub(super) fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut sources = Vec::new();
        collect(&root, &root, &mut sources);
        assert!(sources.len() > 50, "src/ was not found");
        Self::new(sources)
    }

    pub(super) fn new(sources: Vec<Source>) -> Self {
        let modules = sources.iter().map(|source| source.module.clone());
        let modules: BTreeSet<Module> = modules.collect();
        let reexports = sources
            .iter()
            .map(|source| (source.module.clone(), source.reexports(&modules)));
        Self {
            reexports: reexports.collect(),
            modules,
            sources,
        }
    }

    /// The modules below the crate that files of `top` use.
    pub(super) fn imports_of(&self, top: &str) -> BTreeSet<String> {
        let own = self.sources.iter().filter(|source| source.top() == top);
        let used = own
            .flat_map(Source::paths)
            .filter_map(|path| path.into_iter().next());
        let mut used: BTreeSet<String> = used
            .filter(|name| self.modules.contains(&vec![name.clone()]))
            .collect();
        used.remove(top);
        used
    }

    /// The module that defines the item at a path, with re-exports followed.
    fn resolve(&self, path: &[String]) -> Module {
        let mut path = path.to_vec();
        // A re-export may lead to another one; a circle of them does not compile.
        for _ in 0..8 {
            let mut module = Module::new();
            let mut names = path.iter();
            for name in names.by_ref() {
                module.push(name.clone());
                if !self.modules.contains(&module) {
                    module.pop();
                    let known = self.reexports.get(&module);
                    let Some(target) = known.and_then(|known| known.get(name)) else {
                        return module;
                    };
                    path = target.iter().chain(names).cloned().collect();
                    module = Module::new();
                    break;
                }
            }
            if !module.is_empty() {
                return module;
            }
        }
        panic!("the re-exports of {path:?} do not end");
    }

    /// Circles between modules that have the same parent: each as the modules in it. What a module
    /// uses of its own parent, and a parent of its children, is in none.
    pub(super) fn circles(&self) -> Vec<String> {
        let mut folders: BTreeMap<Module, BTreeMap<String, BTreeMap<String, String>>> =
            BTreeMap::new();
        for source in &self.sources {
            for path in source.paths() {
                let target = self.resolve(&path);
                let own = &source.module;
                let common = own.iter().zip(&target).take_while(|(a, b)| a == b).count();
                if let (Some(from), Some(to)) = (own.get(common), target.get(common)) {
                    let siblings = folders.entry(own[..common].to_vec()).or_default();
                    let uses = siblings.entry(from.clone()).or_default();
                    uses.entry(to.clone())
                        .or_insert_with(|| format!("{} uses {}", source.path, path.join("::")));
                }
            }
        }
        folders.values().flat_map(circles_among).collect()
    }
}

/// The circles in a graph: for each pair of modules that reach each other, how the first uses the next.
fn circles_among(uses: &BTreeMap<String, BTreeMap<String, String>>) -> Vec<String> {
    let reaches = |from: &String, to: &String| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
        while let Some(module) = open.pop() {
            for next in uses.get(module).into_iter().flat_map(BTreeMap::keys) {
                if next == to {
                    return true;
                }
                if seen.insert(next) {
                    open.push(next);
                }
            }
        }
        false
    };
    let edges = uses
        .iter()
        .flat_map(|(from, used)| used.iter().map(move |(to, how)| (from, to, how)));
    edges
        .filter(|(from, to, _)| reaches(to, from))
        .map(|(_, _, how)| how.clone())
        .collect()
}

fn collect(root: &Path, folder: &Path, sources: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).expect("a folder of src/") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(root, &path, sources);
            continue;
        }
        let is_rust = path.extension().is_some_and(|extension| extension == "rs");
        if is_rust && path.file_name().is_some_and(|name| name != "tests.rs") {
            let text = fs::read_to_string(&path).expect("a file of src/");
            let path = path.strip_prefix(root).expect("a path in src/");
            sources.push(Source::new(path.to_str().expect("UTF-8"), &text));
        }
    }
}
