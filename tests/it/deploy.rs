//! What the files for running it in earnest say is so: every `kenward` command in them is one that
//! the program takes, and paths, port, user, profile and compiler are those that the others use.

use super::served::{kenward, succeeds};
use std::collections::BTreeSet;
use std::path::Path;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn help(verbs: &[&str]) -> String {
    let output = succeeds(kenward(Path::new("/dev/null")).args(verbs).arg("--help"));
    String::from_utf8(output.stdout).unwrap()
}

/// Verbs below these, as the help lists them.
fn verbs(help: &str) -> BTreeSet<String> {
    let after = help.split_once("Commands:\n").map_or("", |(_, after)| after);
    let lines = after.lines().take_while(|line| !line.is_empty());
    lines
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| Some(line.split_whitespace().next()?.to_owned()))
        .collect()
}

/// The commands of a text: what stands behind `kenward` in a line of a code block or a unit.
fn commands(text: &str, known: &BTreeSet<String>) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for line in text.lines().map(|line| line.split(" #").next().unwrap_or_default()) {
        let line = line.replace('`', " ` ");
        let words: Vec<&str> = line
            .split(|c: char| c.is_whitespace() || "\"[],()".contains(c))
            .filter(|word| !word.is_empty())
            .collect();
        for at in 0..words.len().saturating_sub(1) {
            let program =
                words[at] == "kenward" || words[at].ends_with("/kenward") || words[at].ends_with("=kenward");
            if program && known.contains(words[at + 1]) {
                let own = words[at + 1..]
                    .iter()
                    .take_while(|word| !["`", "&&", "||", "|", "\\", ">"].contains(*word));
                found.push(own.map(|word| (*word).trim_end_matches([';', '.', ':']).to_owned()).collect());
            }
        }
    }
    found
}

#[test]
fn every_command_that_is_told_is_one() {
    let top = help(&[]);
    let known = verbs(&top);
    assert!(known.contains("serve") && known.contains("ingest"), "{known:?}");
    let mut checked = 0;
    for file in [
        "deploy/README.md",
        "deploy/kenward.service",
        "deploy/Containerfile",
        "README.md",
        "scripts/release.sh",
    ] {
        for command in commands(&text(file), &known) {
            let words: Vec<&str> = command.iter().map(String::as_str).collect();
            let below = verbs(&help(&words[..1]));
            let depth = if words.get(1).is_some_and(|word| below.contains(*word)) { 2 } else { 1 };
            assert!(
                below.is_empty() || depth == 2 || words.len() == 1,
                "{file}: `{}` is no verb",
                words.join(" ")
            );
            let help = help(&words[..depth]);
            for flag in words.iter().filter(|word| word.starts_with("--")) {
                let flag = flag.split('=').next().unwrap();
                let there = help.split(|c: char| !c.is_alphanumeric() && c != '-').any(|word| word == flag);
                assert!(there, "{file}: `{}` has no `{flag}`", words.join(" "));
            }
            checked += 1;
        }
    }
    assert!(checked >= 20, "only {checked} commands found");
}

/// The values of a key of the unit.
fn values<'a>(unit: &'a str, key: &str) -> Vec<&'a str> {
    unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).collect()
}

#[test]
fn the_unit_the_container_and_their_page_agree() {
    let (unit, page) = (text("deploy/kenward.service"), text("deploy/README.md"));
    assert_eq!(values(&unit, "ExecStart"), ["/usr/local/bin/kenward serve"]);
    assert!(page.contains("install -m 0755 kenward /usr/local/bin/kenward"));
    for place in ["/etc/kenward/kenward.toml", "/var/lib/kenward"] {
        assert!(page.contains(place), "{place}");
    }
    assert!(values(&unit, "Environment").contains(&"KENWARD_CONFIG=/etc/kenward/kenward.toml"));
    assert_eq!(values(&unit, "StateDirectory"), ["kenward"]);
    assert!(
        text("deploy/kenward.sysusers")
            .lines()
            .any(|line| line.starts_with("u kenward ") && line.ends_with(" /var/lib/kenward"))
    );
    // The readers of documents need it, whatever else is taken away.
    assert_eq!(values(&unit, "SystemCallFilter"), ["@system-service", "~@privileged @keyring @memlock"]);
    // Owners and peers keep their ids.
    assert!(values(&unit, "PrivateUsers").is_empty());

    let container = text("deploy/Containerfile");
    let default = kenward::config::Config::from_text(Path::new("/x/kenward.toml"), "data_dir = \"d\"\n")
        .unwrap()
        .http_addr;
    assert!(default.ip().is_loopback());
    let port = default.port();
    assert_eq!(values(&unit, "SocketBindAllow"), [format!("tcp:{port}")]);
    assert!(
        container.contains(&format!("/dev/tcp/127.0.0.1/{port}"))
            && container.contains(&format!("Host: localhost:{port}"))
    );
    assert!(page.contains(&format!("Host 127.0.0.1:{port};")));

    let manifest: toml::Table = text("Cargo.toml").parse().unwrap();
    let version = manifest["workspace"]["package"]["rust-version"].as_str().unwrap();
    assert!(container.contains(&format!("FROM rust:{version}-")), "{version}");
    assert!(manifest["profile"].get("dist").is_some());
    for file in ["deploy/Containerfile", "scripts/release.sh"] {
        assert!(text(file).contains("--profile dist --locked --package kenward"), "{file}");
    }
    let user: Vec<&str> = container.lines().filter_map(|line| line.strip_prefix("USER ")).collect();
    assert_eq!(user, ["10001:10001"]);
    for member in manifest["workspace"]["members"].as_array().unwrap() {
        assert!(text(".containerignore").contains(&format!("!{}\n", member.as_str().unwrap())), "{member}");
    }
    for line in text(".containerignore").lines().filter_map(|line| line.strip_prefix('!')) {
        assert!(root().join(line).exists(), "{line}");
    }
    // Plain names: which registry they come from is for whoever builds.
    for image in container.lines().filter_map(|line| line.strip_prefix("FROM ")) {
        assert!(!image.contains('/'), "{image}");
    }
    for file in ["kenward.service", "kenward-source.conf", "kenward.sysusers", "Containerfile"] {
        assert!(page.contains(file) && root().join("deploy").join(file).exists(), "{file}");
    }
}

/// What the desktop bundle and the registry's entry say of the server is what it is; and a bundle holds the program.
#[test]
fn the_bundle_names_what_the_server_has() {
    let manifest: serde_json::Value = serde_json::from_str(&text("deploy/bundle/manifest.json")).unwrap();
    let names = |of: &str| -> Vec<String> {
        let all = manifest[of].as_array().unwrap().iter();
        all.map(|one| one["name"].as_str().unwrap().to_owned()).collect()
    };
    let surfaces = kenward::mcp::surfaces::surfaces();
    assert_eq!(names("tools"), surfaces.tools);
    assert_eq!(names("prompts"), surfaces.prompts);
    for (of, prompt) in manifest["prompts"].as_array().unwrap().iter().zip(kenward::mcp::prompts::PROMPTS) {
        let arguments: Vec<&str> =
            of["arguments"].as_array().unwrap().iter().map(|a| a.as_str().unwrap()).collect();
        assert_eq!(arguments, prompt.arguments.iter().map(|argument| argument.name).collect::<Vec<_>>());
    }
    let entry: serde_json::Value = serde_json::from_str(&text("server.json")).unwrap();
    assert_eq!(entry["version"], env!("CARGO_PKG_VERSION"));
    assert!(entry["description"].as_str().unwrap().len() <= 100, "the registry takes no more");

    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("kenward");
    std::fs::write(&program, "#!/bin/sh\necho kenward 9.8.7\n").unwrap();
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&program, executable).unwrap();
    let pack = |out: &str| {
        let mut script = std::process::Command::new(root().join("scripts/bundle.sh"));
        script.arg(folder.path().join(out)).env("KENWARD_BIN", &program);
        script.env("KENWARD_RELEASE_URL", "https://releases.example.com/9.8.7/");
        let output = succeeds(&mut script);
        String::from_utf8(output.stdout).unwrap().split_whitespace().next().unwrap().to_owned()
    };
    let (first, second) = (pack("one"), pack("two"));
    assert_eq!(first, second, "the same program gives the same bytes");
    let entry = std::fs::read_to_string(folder.path().join("one/server.json")).unwrap();
    let entry: serde_json::Value = serde_json::from_str(&entry).unwrap();
    assert_eq!(entry["version"], "9.8.7");
    assert_eq!(entry["packages"][0]["fileSha256"], first);
    let url = entry["packages"][0]["identifier"].as_str().unwrap();
    assert!(
        url.starts_with("https://releases.example.com/9.8.7/kenward-9.8.7-") && url.ends_with(".mcpb"),
        "{url}"
    );
}
