//! From files to one project: read, interpolated, merged, with what they include and extend.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::dotenv;
use super::interpolate::interpolate_tree;
use super::report::Report;
use super::yaml::{self, Broken, Entry, Node, Place, Source, Value};
use super::{merge, normal};

/// Names of a project's file, the first one that is there counts.
const BASE: [&str; 4] = ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];
/// Names of the file over it.
const OVER: [&str; 4] =
    ["compose.override.yml", "compose.override.yaml", "docker-compose.override.yml", "docker-compose.override.yaml"];
/// How many files may include or extend each other.
const MAX_STEPS: usize = 32;

/// What files say. A test has its own.
pub trait Files {
    /// The text of a file; the error's kind says whether it is there at all.
    fn read(&self, path: &Path) -> io::Result<String>;
}

/// What is to be imported.
#[derive(Debug, Default)]
pub struct Request {
    /// The folder, as an absolute path.
    pub folder: PathBuf,
    /// Files instead of the usual ones, relative to the folder.
    pub files: Vec<PathBuf>,
    /// Variables that go before those of `.env`.
    pub env: BTreeMap<String, String>,
}

/// A project as one file would say it.
#[derive(Debug, Default)]
pub struct Project {
    pub name: String,
    pub services: Vec<Entry>,
    pub volumes: Vec<Entry>,
    pub networks: Vec<Entry>,
    pub configs: Vec<Entry>,
    pub secrets: Vec<Entry>,
}

/// Why there is no project.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("no compose file in `{0}`: expected compose.yaml, or name one with -f")]
    None(String),
    #[error("cannot read `{path}`: {source}")]
    Read { path: String, source: io::Error },
    #[error(transparent)]
    Broken(#[from] Broken),
}

/// A folder whose relative paths and variables belong together.
struct Scope {
    folder: PathBuf,
    env: BTreeMap<String, String>,
}

/// Reads files.
pub struct Loader<'a> {
    pub files: &'a dyn Files,
    pub request: &'a Request,
    pub report: &'a mut Report,
}

impl Loader<'_> {
    /// Reads the whole project.
    pub fn load(&mut self) -> Result<Project, LoadError> {
        let folder = self.request.folder.clone();
        let paths = if self.request.files.is_empty() {
            self.usual()?
        } else {
            self.request.files.iter().map(|it| tidy(&folder.join(it))).collect()
        };
        // As Docker Compose has it, every relative path starts from the first file's folder.
        let folder = paths.first().and_then(|it| it.parent()).map_or(folder, Path::to_owned);
        let env = self.dotenv(&[(folder.join(".env"), false)])?;
        let source = Rc::new(Source { shown: ".env".to_owned(), folder: folder.clone() });
        for (name, flag) in [("COMPOSE_FILE", "-f FILE"), ("COMPOSE_PROFILES", "--profile NAME")] {
            if env.contains_key(name) {
                self.report.note(&Place::start(&source), name, format!("not looked at: say {flag}"));
            }
        }
        let mut project = self.project(&paths, &Scope { folder, env: env.clone() }, 0)?;
        if let Some(name) = env.get("COMPOSE_PROJECT_NAME") {
            project.name = super::names::label(name);
        }
        Ok(project)
    }

    fn usual(&self) -> Result<Vec<PathBuf>, LoadError> {
        let folder = &self.request.folder;
        let there = |names: &[&str]| names.iter().map(|it| folder.join(it)).find(|it| self.files.read(it).is_ok());
        let base = there(&BASE).ok_or_else(|| LoadError::None(folder.display().to_string()))?;
        Ok([base].into_iter().chain(there(&OVER)).collect())
    }

    /// What `.env` files say, under what the user says.
    fn dotenv(&self, paths: &[(PathBuf, bool)]) -> Result<BTreeMap<String, String>, LoadError> {
        let mut env = BTreeMap::new();
        for (path, needed) in paths {
            let text = match self.files.read(path) {
                Ok(text) => text,
                Err(error) if error.kind() == io::ErrorKind::NotFound && !needed => continue,
                Err(source) => return Err(LoadError::Read { path: self.shown(path), source }),
            };
            let given = self.request.env.clone();
            let lines = dotenv::read(&text, &|name| given.get(name).cloned(), false);
            let lines = lines.map_err(|(line, text)| self.at(path, line, text))?;
            env.extend(lines.into_iter().filter_map(|it| Some((it.name, it.value?))));
        }
        env.extend(self.request.env.clone());
        Ok(env)
    }

    fn project(&mut self, paths: &[PathBuf], scope: &Scope, steps: usize) -> Result<Project, LoadError> {
        let mut whole: Option<Node> = None;
        for path in paths {
            let node = self.file(path, scope, &scope.folder)?;
            if steps > MAX_STEPS {
                return Err(Broken::new(&node.place, "files include each other without end").into());
            }
            whole = Some(match whole {
                Some(base) => merge::over(base, node),
                None => node,
            });
        }
        let Some(mut whole) = whole else { return Ok(Project::default()) };
        merge::settled(&mut whole);
        let mut project = Project { name: named(&whole, &scope.folder), ..Project::default() };
        for entry in whole.entries() {
            match entry.key.as_str() {
                "services" => {
                    for service in entry.node.entries() {
                        let node = self.extended(service, entry.node.entries(), scope, 0)?;
                        let node = self.with_env_files(&service.key, node, scope)?;
                        project.services.push(Entry { node, ..service.clone() });
                    }
                }
                "volumes" => project.volumes.extend_from_slice(entry.node.entries()),
                "networks" => project.networks.extend_from_slice(entry.node.entries()),
                "configs" => project.configs.extend_from_slice(entry.node.entries()),
                "secrets" => project.secrets.extend_from_slice(entry.node.entries()),
                "include" | "name" | "version" => {}
                key if key.starts_with("x-") => {}
                key => self.report.left(&entry.place, key, "unknown key: not carried"),
            }
        }
        for item in whole.get("include").map(Node::items).unwrap_or_default() {
            self.include(item, scope, steps, &mut project)?;
        }
        Ok(project)
    }

    /// One file: read, interpolated, and each service in one form.
    fn file(&mut self, path: &Path, scope: &Scope, folder: &Path) -> Result<Node, LoadError> {
        let text = self.files.read(path).map_err(|source| LoadError::Read { path: self.shown(path), source })?;
        let source = Rc::new(Source { shown: self.shown(path), folder: folder.to_owned() });
        let mut node = yaml::read(&source, &text)?;
        if !matches!(node.value, Value::Map(_)) {
            return Err(Broken::new(&node.place, "expected a compose file: a map with `services`").into());
        }
        let report = &mut *self.report;
        interpolate_tree(&mut node, &|name| scope.env.get(name).cloned(), &mut |node, name| {
            let text = format!("not set, and so empty here: write it into `.env`, or say --env {name}");
            report.note(&node.place, format!("${{{name}}}"), text);
        })?;
        if let Value::Map(entries) = &mut node.value
            && let Some(services) = entries.iter_mut().find(|it| it.key == "services")
            && let Value::Map(services) = &mut services.node.value
        {
            services.iter_mut().for_each(|it| normal::service(&mut it.node));
        }
        Ok(node)
    }

    /// Takes the project of an `include` in.
    fn include(&mut self, item: &Node, scope: &Scope, steps: usize, project: &mut Project) -> Result<(), LoadError> {
        let paths = item.get("path").unwrap_or(item).each();
        let paths: Vec<PathBuf> =
            paths.iter().filter_map(|it| Some(tidy(&it.place.source.folder.join(it.text()?)))).collect();
        let Some(first) = paths.first() else {
            return Err(Broken::new(&item.place, "`include` without a path").into());
        };
        let folder = match item.get("project_directory").and_then(Node::text) {
            Some(folder) => tidy(&scope.folder.join(folder)),
            None => first.parent().map(Path::to_owned).unwrap_or_default(),
        };
        let env_files: Vec<(PathBuf, bool)> = match item.get("env_file") {
            Some(node) => node.each().iter().filter_map(|it| Some((scope.folder.join(it.text()?), true))).collect(),
            None => vec![(folder.join(".env"), false)],
        };
        // The including project's own variables go before.
        let mut env = self.dotenv(&env_files)?;
        env.extend(scope.env.clone());
        let theirs = self.project(&paths, &Scope { folder, env }, steps + 1)?;
        for (kind, ours, theirs) in [
            ("services", &mut project.services, theirs.services),
            ("volumes", &mut project.volumes, theirs.volumes),
            ("networks", &mut project.networks, theirs.networks),
            ("configs", &mut project.configs, theirs.configs),
            ("secrets", &mut project.secrets, theirs.secrets),
        ] {
            for entry in theirs {
                match ours.iter().find(|it| it.key == entry.key) {
                    None => ours.push(entry),
                    Some(_) if kind != "services" => {}
                    Some(other) => {
                        let key = format!("services.{}", entry.key);
                        let text = format!("it is described at {}, too: that one counts", other.place);
                        self.report.left(&entry.place, key, text);
                    }
                }
            }
        }
        Ok(())
    }

    /// A service over the one that it extends.
    fn extended(
        &mut self,
        service: &Entry,
        services: &[Entry],
        scope: &Scope,
        steps: usize,
    ) -> Result<Node, LoadError> {
        let mut own = service.node.clone();
        let Value::Map(entries) = &mut own.value else { return Ok(own) };
        let Some(at) = entries.iter().position(|it| it.key == "extends") else { return Ok(own) };
        let extends = entries.remove(at).node;
        if steps > MAX_STEPS {
            return Err(Broken::new(&extends.place, "services extend each other without end").into());
        }
        let Some(other) = extends.get("service").unwrap_or(&extends).text() else {
            return Err(Broken::new(&extends.place, "`extends` without `service`").into());
        };
        let (elsewhere, file) = match extends.get("file").and_then(Node::text) {
            None => (None, String::new()),
            Some(file) => {
                let path = tidy(&extends.place.source.folder.join(file));
                let folder = path.parent().map(Path::to_owned).unwrap_or_default();
                (Some(self.file(&path, scope, &folder)?), format!(" in `{}`", self.shown(&path)))
            }
        };
        let theirs = elsewhere.as_ref().and_then(|it| it.get("services")).map(Node::entries);
        let theirs = if elsewhere.is_some() { theirs.unwrap_or_default() } else { services };
        let Some(base) = theirs.iter().find(|it| it.key == other) else {
            return Err(Broken::new(&extends.place, format!("no service `{other}`{file} to extend")).into());
        };
        let base = self.extended(base, theirs, scope, steps + 1)?;
        Ok(merge::over(base, own))
    }

    /// Puts what `env_file` names in its place, and values from the project's variables where only a name stands.
    fn with_env_files(&mut self, service: &str, mut node: Node, scope: &Scope) -> Result<Node, LoadError> {
        let Value::Map(entries) = &mut node.value else { return Ok(node) };
        if let Some(environment) = entries.iter_mut().find(|it| it.key == "environment")
            && let Value::Map(entries) = &mut environment.node.value
        {
            for entry in entries.iter_mut().filter(|it| it.node.is_null()) {
                if let Some(value) = scope.env.get(&entry.key) {
                    entry.node.value = Value::Text(value.clone());
                }
            }
        }
        let Some(env_file) = entries.iter_mut().find(|it| it.key == "env_file") else { return Ok(node) };
        let mut values: Vec<Entry> = Vec::new();
        for item in env_file.node.each() {
            let (Some(file), long) = (item.get("path").unwrap_or(item).text(), item.get("path").is_some()) else {
                continue;
            };
            let path = tidy(&item.place.source.folder.join(file));
            let needed = !long || item.get("required").and_then(Node::truth) != Some(false);
            let raw = item.get("format").and_then(Node::text) == Some("raw");
            let text = match self.files.read(&path) {
                Ok(text) => text,
                Err(_) if !needed => continue,
                Err(error) => {
                    let text = format!("cannot read `{file}`: {error}: write what it says into `env`");
                    self.report.left(&item.place, format!("services.{service}.env_file"), text);
                    continue;
                }
            };
            let lines = dotenv::read(&text, &|name| scope.env.get(name).cloned(), raw);
            let lines = lines.map_err(|(line, text)| self.at(&path, line, text))?;
            let source = Rc::new(Source { shown: self.shown(&path), folder: path.clone() });
            for line in lines {
                let value = line.value.or_else(|| scope.env.get(&line.name).cloned());
                let place = Place { source: Rc::clone(&source), line: line.number, column: 1 };
                let node = Node::new(place.clone(), value.map_or(Value::Null, Value::Text));
                values.retain(|it| it.key != line.name);
                values.push(Entry { key: line.name, place, node });
            }
        }
        env_file.node.value = Value::Map(values);
        Ok(node)
    }

    fn at(&self, path: &Path, line: usize, text: String) -> Broken {
        let source = Rc::new(Source { shown: self.shown(path), folder: PathBuf::new() });
        Broken { place: Place { source, line, column: 1 }, text }
    }

    /// A path as people see it: relative to the folder where it lies in there.
    fn shown(&self, path: &Path) -> String {
        path.strip_prefix(&self.request.folder).unwrap_or(path).display().to_string()
    }
}

/// The project's name: its own, else its folder's.
fn named(whole: &Node, folder: &Path) -> String {
    let folder = || folder.file_name().map(|it| it.to_string_lossy().into_owned());
    let name = whole.get("name").and_then(Node::text).map(str::to_owned).or_else(folder).unwrap_or_default();
    super::names::label(&name)
}

/// A path without `.` and `..`, by its words alone.
pub fn tidy(path: &Path) -> PathBuf {
    use std::path::Component;
    let mut tidy = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(tidy.pop()),
            part => tidy.push(part),
        }
    }
    tidy
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Texts(BTreeMap<&'static str, &'static str>);

    impl Files for Texts {
        fn read(&self, path: &Path) -> io::Result<String> {
            let text = path.to_str().and_then(|path| self.0.get(path));
            text.map(|text| (*text).to_owned()).ok_or_else(|| io::ErrorKind::NotFound.into())
        }
    }

    fn load(files: &[(&'static str, &'static str)], env: &[(&str, &str)]) -> (Result<Project, LoadError>, Vec<String>) {
        let files = Texts(files.iter().copied().collect());
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let request = Request { folder: PathBuf::from("/srv/shop"), files: Vec::new(), env };
        let mut report = Report::default();
        let project = Loader { files: &files, request: &request, report: &mut report }.load();
        report.sort();
        (project, report.all().iter().map(ToString::to_string).collect())
    }

    /// What one key of a service says, and where.
    fn said(project: &Project, service: &str, path: &[&str]) -> String {
        let service = project.services.iter().find(|it| it.key == service).unwrap();
        let node = path.iter().fold(&service.node, |node, key| node.get(key).unwrap());
        format!("{} at {}", node.text().unwrap(), node.place)
    }

    #[test]
    fn variables_come_from_env_then_from_the_file() {
        let files = [
            ("/srv/shop/.env", "TAG=1\nNAME=web-${TAG}\n"),
            ("/srv/shop/compose.yaml", "services:\n  web:\n    image: ${NAME}:${TAG}${NONE}\n"),
        ];
        let (project, said_of) = load(&files, &[("TAG", "2")]);
        assert_eq!(said(&project.unwrap(), "web", &["image"]), "web-2:2 at compose.yaml:3:12");
        assert_eq!(
            said_of,
            ["note: compose.yaml:3:12: ${NONE}: not set, and so empty here: write it into `.env`, or say --env NONE"]
        );
    }

    #[test]
    fn files_are_merged_and_values_stand_where_they_were_said() {
        let files = [
            (
                "/srv/shop/compose.yml",
                "include: [lib/compose.yaml]\nservices:\n  web: {extends: base, image: 'a:1'}\n  base: {environment: [A=1, B=2]}\n",
            ),
            ("/srv/shop/compose.override.yml", "services:\n  web: {environment: {B: 3}}\n"),
            ("/srv/shop/lib/compose.yaml", "services:\n  db: {image: 'db:${V}'}\n  web: {image: other}\n"),
            ("/srv/shop/lib/.env", "V=7\n"),
        ];
        let (project, said_of) = load(&files, &[]);
        let project = project.unwrap();
        assert_eq!(said(&project, "web", &["environment", "A"]), "1 at compose.yml:4:24");
        assert_eq!(said(&project, "web", &["environment", "B"]), "3 at compose.override.yml:2:26");
        assert_eq!(said(&project, "db", &["image"]), "db:7 at lib/compose.yaml:2:15");
        assert_eq!(
            said_of,
            ["lib/compose.yaml:3:3: services.web: it is described at compose.override.yml:2:3, too: that one counts"]
        );
    }
}
