//! Loading, told as what operators write and what they are told.

use serde::{Deserialize, Serialize};

use super::super::{LogFormat, OnDemand, Role, Secret};
use super::*;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct FileSettings {
    max_depth: u32,
    names: Vec<String>,
    token: Option<Secret>,
}

impl Default for FileSettings {
    fn default() -> Self {
        Self { max_depth: 32, names: Vec::new(), token: None }
    }
}

const FILE: PluginSettings = PluginSettings::of::<FileSettings>("file");

/// A folder with a settings file, and options that read it.
struct Written {
    folder: tempfile::TempDir,
}

impl Written {
    fn new(toml: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("pulp.toml"), toml).unwrap();
        Self { folder }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("pulp.toml")
    }

    fn options(&self) -> Options {
        Options { file: Some(self.file()), plugins: vec![FILE], ..Options::default() }
    }
}

fn environment(variables: &[(&str, &str)]) -> Options {
    let none = Options { plugins: vec![FILE], ..Options::default() };
    variables.iter().fold(none, |options, (name, value)| options.env(name, value))
}

fn refused(options: &Options) -> String {
    match load(options) {
        Err(Error::Config(text)) => text,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

fn source(loaded: &Loaded, key: &str) -> String {
    loaded.table().iter().find(|shown| shown.key == key).unwrap_or_else(|| panic!("no {key}")).source.clone()
}

fn value(loaded: &Loaded, key: &str) -> String {
    loaded.table().iter().find(|shown| shown.key == key).unwrap_or_else(|| panic!("no {key}")).value.clone()
}

#[test]
fn without_a_word_from_anyone_the_defaults_hold() {
    let loaded = load(&Options::default()).unwrap();
    assert_eq!(format!("{:?}", loaded.settings), format!("{:?}", Settings::default()));
    assert!(loaded.table().iter().all(|shown| shown.source == "default"));
}

#[test]
fn later_layers_win_and_each_value_knows_where_it_came_from() {
    let written = Written::new("bind = '127.0.0.1:1'\nworkers = 3\nworker_ttl = 10\n");
    let options = written.options().env("PULP_BIND", "127.0.0.1:2").env("PULP_WORKERS", "4").set("bind", "127.0.0.1:3");
    let loaded = load(&options).unwrap();

    assert_eq!(loaded.settings.bind.port(), 3);
    assert_eq!(loaded.settings.workers, 4);
    assert_eq!(loaded.settings.worker_ttl, 10);
    assert_eq!(source(&loaded, "bind"), "command line");
    assert_eq!(source(&loaded, "workers"), "environment PULP_WORKERS");
    assert_eq!(source(&loaded, "worker_ttl"), format!("file {}", written.file().display()));
    assert_eq!(source(&loaded, "api_root"), "default");
    assert_eq!(value(&loaded, "api_root"), "/pulp/");
    assert_eq!(loaded.file, Some(written.file()));
}

#[test]
fn the_environment_alone_is_enough() {
    let settings = load(&environment(&[
        ("PULP_DATA_DIR", "/srv/pulp"),
        ("PULP_DATABASE_URL", "postgres://pulp:hunter2@db/pulp"),
        ("PULP_CONTENT_ORIGIN", "https://pulp.example.test"),
        ("PULP_ROLES", "api, content"),
        ("PULP_ALLOWED_CONTENT_CHECKSUMS", r#"["sha256", "md5"]"#),
        ("PULP_ALLOWED_IMPORT_PATHS", "/mnt/a,/mnt/b"),
        ("PULP_DURABLE", "False"),
        ("PULP_ON_DEMAND", "stream"),
        ("PULP_LOG_FORMAT", "json"),
        ("PULP_ADMIN_PASSWORD", "007"),
        ("HOME", "/srv/home"),
    ]))
    .unwrap()
    .settings;
    assert_eq!(settings.media_root, Path::new("/srv/pulp/media"));
    assert_eq!(settings.database_url.expose(), "postgres://pulp:hunter2@db/pulp");
    assert_eq!(settings.content_origin(), "https://pulp.example.test");
    assert_eq!(settings.roles, [Role::Api, Role::Content].into());
    assert_eq!(settings.allowed_content_checksums, ["sha256", "md5"]);
    assert_eq!(settings.allowed_import_paths, [Path::new("/mnt/a"), Path::new("/mnt/b")]);
    assert!(!settings.durable);
    assert_eq!(settings.on_demand, OnDemand::Stream);
    assert_eq!(settings.log_format, LogFormat::Json);
    assert_eq!(settings.admin_password.unwrap().expose(), "007");
}

#[test]
fn what_is_derived_follows_what_it_is_derived_from() {
    let settings = load(&environment(&[("PULP_MEDIA_ROOT", "/mnt/media")])).unwrap().settings;
    assert_eq!(settings.working_directory, Path::new("/mnt/media/.spool"));
    assert_eq!(settings.data_dir, Path::new("."));
}

#[test]
fn an_optional_setting_that_is_left_empty_is_not_set() {
    let settings = load(&environment(&[("PULP_CONTENT_ORIGIN", ""), ("PULP_ADMIN_PASSWORD", "")])).unwrap().settings;
    assert!(settings.content_origin.is_none() && settings.admin_password.is_none());
}

#[test]
fn every_setting_can_be_set_from_the_environment_as_it_is_shown() {
    let defaults = load(&Options::default()).unwrap();
    let variables = defaults.table().iter().filter(|shown| !shown.value.is_empty());
    let options = variables.fold(Options::default(), |options, shown| {
        options.env(format!("PULP_{}", shown.key.replace('.', "__").to_uppercase()), &shown.value)
    });
    let again = load(&options).unwrap();
    for (shown, default) in again.table().iter().zip(defaults.table()) {
        assert_eq!((&shown.key, &shown.value), (&default.key, &default.value));
    }
    assert_eq!(source(&again, "roles"), "environment PULP_ROLES");
}

#[test]
fn the_file_is_the_named_one_or_the_data_folders() {
    let written = Written::new("workers = 3");
    let folder = written.folder.path().to_str().unwrap();
    let file = written.file();
    for options in [
        Options::default().env("PULP_SETTINGS", &file),
        Options::default().env("PULP_DATA_DIR", folder),
        Options::default().set("data_dir", folder),
    ] {
        assert_eq!(load(&options).unwrap().settings.workers, 3, "{options:?}");
    }
    let other = Written::new("workers = 5");
    let both = Options::default().env("PULP_SETTINGS", other.file()).env("PULP_DATA_DIR", folder);
    assert_eq!(load(&both).unwrap().settings.workers, 5);

    let missing = written.folder.path().join("missing.toml");
    let said = refused(&Options::default().env("PULP_SETTINGS", &missing));
    assert_eq!(said, format!("there is no settings file {} (named by PULP_SETTINGS)", missing.display()));
    assert!(load(&Options::default().env("PULP_DATA_DIR", written.folder.path().join("empty"))).is_ok());
}

#[test]
fn an_unknown_name_is_refused_with_a_suggestion() {
    let written = Written::new("contnet_origin = 'https://a.test'\nwrokers = 3\ncolour = 1\n");
    let file = written.file();
    let said = refused(&written.options().env("PULP_BNID", "x").set("bidn", "x"));
    let expected = [
        format!("unknown setting 'colour' in {}", file.display()),
        format!("unknown setting 'contnet_origin' in {}; did you mean 'content_origin'?", file.display()),
        format!("unknown setting 'wrokers' in {}; did you mean 'workers'?", file.display()),
        "unknown setting PULP_BNID in the environment; did you mean PULP_BIND?".to_owned(),
        "unknown setting 'bidn' in the command line; did you mean 'bind'?".to_owned(),
    ];
    assert_eq!(said.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn a_name_of_pulps_that_is_elsewhere_here_says_where() {
    let said = refused(&environment(&[("PULP_DATABASES__default__HOST", "db")]));
    assert_eq!(said, "unknown setting PULP_DATABASES in the environment; use database_url");
    assert!(refused(&environment(&[("PULP_REDIS_HOST", "redis")])).ends_with("; no Redis is needed"));
    let upper = Written::new("CONTENT_ORIGIN = 'https://a.test'");
    assert!(refused(&upper.options()).ends_with("did you mean 'content_origin'?"));
}

#[test]
fn variables_of_other_tools_are_left_alone() {
    let others =
        [("PULP_TEST_POSTGRES", "x"), ("PULP_CLI_CONFIG", "x"), ("PULP_HOME", "x"), ("PULP_PORT", "tcp://1.2.3.4:80")];
    load(&environment(&others)).unwrap();
}

#[test]
fn a_wrong_type_names_the_key_the_source_and_what_was_expected() {
    let written = Written::new("workers = 'many'");
    let file = written.file();
    let said = refused(&written.options());
    assert_eq!(said, format!("'workers' (file {}) must be a whole number, not negative, not \"many\"", file.display()));

    for (name, value, expected) in [
        ("PULP_WORKERS", "many", "'workers' (environment PULP_WORKERS) must be a whole number"),
        ("PULP_WORKERS", "-1", "'workers' (environment PULP_WORKERS) must be a whole number"),
        ("PULP_DURABLE", "maybe", "'durable' (environment PULP_DURABLE) must be true or false, not \"maybe\""),
        ("PULP_BIND", "here", "'bind' (environment PULP_BIND) must be an IP address and a port"),
        ("PULP_ON_DEMAND", "stram", "must be one of save, stream, off, not 'stram'; did you mean 'stream'?"),
        ("PULP_ROLES", "api,contnet", "not 'contnet'; did you mean 'content'?"),
        (
            "PULP_DATABASE_URL",
            "mysql://u:hunter2@h/d",
            "'database_url' (environment PULP_DATABASE_URL) must begin with",
        ),
        ("PULP_PLUGINS", "x", "PULP_PLUGINS in the environment is a section"),
        ("PULP_PLUGINS__FILE", "x", "PULP_PLUGINS__FILE in the environment is a section"),
        (
            "PULP_PLUGINS__FILE__MAX_DEPTH",
            "x",
            "'plugins.file.max_depth' (environment PULP_PLUGINS__FILE__MAX_DEPTH) must be",
        ),
    ] {
        let said = refused(&environment(&[(name, value)]));
        assert!(said.contains(expected), "{name}={value}: {said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
    assert!(refused(&Written::new("bind = 80").options()).contains("must be an IP address and a port"));
    assert!(refused(&Written::new("roles = 'api'").options()).contains("must be a list, not \"api\""));
    assert!(refused(&Written::new("data_dir = 1").options()).starts_with("'data_dir' (file "));
}

#[test]
fn a_file_that_is_not_toml_is_refused_by_line_and_not_by_its_text() {
    let written = Written::new("workers = 3\nadmin_password = \"hunter2\n");
    let said = refused(&written.options());
    assert!(said.starts_with(&format!("{}, line 2: ", written.file().display())), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn a_rule_that_is_broken_is_told_with_its_source() {
    let said = refused(&environment(&[("PULP_API_ROOT", "/pulp"), ("PULP_LOG_FILTER", "a=loud")]));
    assert!(said.contains("'api_root' (environment PULP_API_ROOT) must begin and end"), "{said}");
    assert!(said.contains("'log_filter' (environment PULP_LOG_FILTER) must be a log filter"), "{said}");
}

#[test]
fn secrets_show_nowhere() {
    let written = Written::new("admin_password = 'hunter2'\n[plugins.file]\ntoken = 'hunter2'\n");
    let options = written.options().env("PULP_DATABASE_URL", "postgres://pulp:hunter2@db/pulp");
    let loaded = load(&options).unwrap();
    assert_eq!(value(&loaded, "admin_password"), "********");
    assert_eq!(value(&loaded, "plugins.file.token"), "********");
    assert_eq!(value(&loaded, "database_url"), "postgres://pulp:********@db/pulp");
    let everything = format!("{options:?} {loaded:?} {}", serde_json::to_string(&loaded.settings).unwrap());
    assert!(!everything.contains("hunter2"), "{everything}");
    assert_eq!(loaded.settings.plugin::<FileSettings>("file").unwrap().token.unwrap().expose(), "hunter2");

    for number in ["admin_password = 1234567", "[plugins.file]\ntoken = 1234567", "database_url = 1234567"] {
        let said = refused(&Written::new(number).options());
        assert!(said.contains("must be text (in quotes)") && !said.contains("1234567"), "{said}");
    }
}

#[test]
fn a_plugins_section_is_typed_by_the_plugin() {
    let written = Written::new("[plugins.file]\nmax_depth = 8\n");
    let loaded = load(&written.options().env("PULP_PLUGINS__FILE__NAMES", "a,b")).unwrap();
    let section: FileSettings = loaded.settings.plugin("file").unwrap();
    assert_eq!((section.max_depth, section.names), (8, vec!["a".to_owned(), "b".to_owned()]));
    assert_eq!(source(&loaded, "plugins.file.max_depth"), format!("file {}", written.file().display()));
    assert_eq!(source(&loaded, "plugins.file.names"), "environment PULP_PLUGINS__FILE__NAMES");
    assert_eq!(source(&loaded, "plugins.file.token"), "default");

    let silent = load(&environment(&[])).unwrap().settings;
    assert_eq!(silent.plugin::<FileSettings>("file").unwrap(), FileSettings::default());
    assert_eq!(Settings::default().plugin::<FileSettings>("file").unwrap(), FileSettings::default());
}

#[test]
fn a_section_or_key_that_no_linked_plugin_has_is_refused() {
    let written = Written::new("[plugins.fiel]\nmax_depth = 8\n");
    let said = refused(&written.options());
    assert!(said.starts_with("unknown section 'plugins.fiel' in "), "{said}");
    assert!(said.ends_with("; did you mean 'plugins.file'?"), "{said}");
    let said = refused(&environment(&[("PULP_PLUGINS__FILE__MAX_DETPH", "8")]));
    assert!(said.ends_with("; did you mean PULP_PLUGINS__FILE__MAX_DEPTH?"), "{said}");
}

#[test]
fn a_plugin_whose_settings_have_no_keys_takes_none() {
    #[derive(Default, Serialize, Deserialize)]
    struct Nothing {}
    let written = Written::new("[plugins.bare]\nmax_depth = 8\n");
    let options = Options { plugins: vec![PluginSettings::of::<Nothing>("bare")], ..written.options() };
    assert!(refused(&options).starts_with("unknown setting 'plugins.bare.max_depth' in "));
}

#[test]
fn a_table_of_a_plugin_takes_any_key() {
    #[derive(Default, Serialize, Deserialize)]
    struct Mirrors {
        mirrors: BTreeMap<String, String>,
    }
    let written = Written::new("[plugins.tree.mirrors]\neu = 'https://eu.test'\n");
    let options = Options { plugins: vec![PluginSettings::of::<Mirrors>("tree")], ..written.options() };
    let loaded = load(&options).unwrap();
    assert_eq!(value(&loaded, "plugins.tree.mirrors.eu"), "https://eu.test");
    assert_eq!(loaded.settings.plugin::<Mirrors>("tree").unwrap().mirrors["eu"], "https://eu.test");
}

#[test]
fn two_plugins_under_one_label_are_refused() {
    let options = Options { plugins: vec![FILE, FILE], ..Options::default() };
    assert_eq!(refused(&options), "two plugins have settings under the label 'file'");
}

#[test]
fn a_variable_that_is_not_text_is_refused_by_name() {
    use std::os::unix::ffi::OsStringExt;
    let options = Options::default().env("PULP_DATA_DIR", OsString::from_vec(vec![b'/', 0xff]));
    assert_eq!(refused(&options), "PULP_DATA_DIR in the environment is not UTF-8");
}

#[test]
fn a_live_api_is_switched_by_its_label() {
    let options = || Options { live: vec!["room", "tree"], ..Options::default() };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pulp.toml");
    std::fs::write(&file, "[live]\ntree = false\n").unwrap();
    let loaded = Settings::load(&Options { file: Some(file), ..options() }.env("PULP_LIVE__ROOM", "off")).unwrap();
    assert!(!loaded.settings.is_live("room") && !loaded.settings.is_live("tree"));
    let shown: Vec<_> = loaded.table().iter().filter(|shown| shown.key.starts_with("live.")).collect();
    assert_eq!((shown[0].value.as_str(), shown[0].source.as_str()), ("off", "environment PULP_LIVE__ROOM"));

    let loaded = Settings::load(&options()).unwrap();
    assert!(loaded.settings.is_live("room"));
    for (variable, value, said) in [
        ("PULP_LIVE__ROM", "off", "unknown setting PULP_LIVE__ROM in the environment; did you mean PULP_LIVE__ROOM?"),
        ("PULP_LIVE__ROOM", "maybe", "'live.room' (environment PULP_LIVE__ROOM) must be on or off, not \"maybe\""),
        ("PULP_LIVE", "off", "PULP_LIVE in the environment is a section: name a setting within it"),
    ] {
        assert_eq!(Settings::load(&options().env(variable, value)).unwrap_err().to_string(), said);
    }
    // Nothing to switch, nothing to show.
    assert!(Settings::load(&Options::default()).unwrap().table().iter().all(|shown| !shown.key.starts_with("live")));
}
