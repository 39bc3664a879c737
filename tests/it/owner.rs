//! One owner of the data: several processes at once, owners that are killed, that hang, that are of
//! another version.

use crate::machine::{Machine, Ran};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::{Duration, Instant};

/// Takes the lock as another process would.
fn hold(machine: &Machine) -> std::fs::File {
    std::fs::DirBuilder::new().mode(0o700).create(machine.data()).unwrap();
    let mut file = std::fs::File::create(machine.data().join("lock")).unwrap();
    file.try_lock().unwrap();
    write!(file, "4242").unwrap();
    file
}

#[test]
fn a_lock_without_a_socket_is_an_error_that_names_its_holder() {
    let machine = Machine::new();
    let _lock = hold(&machine);
    let start = Instant::now();
    machine.run(&["users", "list"]).refused(&["(pid 4242)", "does not answer", "kill 4242"]);
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    let ran = machine.run(&["doctor"]);
    assert!(ran.code == Some(3) && ran.out.contains("4242"), "{ran:?}");
}

#[test]
fn a_socket_that_is_silent_is_an_error_that_names_its_holder() {
    let machine = Machine::new();
    let _lock = hold(&machine);
    let _listener = UnixListener::bind(machine.data().join("control.sock")).unwrap();
    machine.run(&["users", "list"]).refused(&["(pid 4242)", "does not answer"]);
}

#[test]
fn an_owner_of_another_version_is_named() {
    let machine = Machine::new();
    let _lock = hold(&machine);
    let listener = UnixListener::bind(machine.data().join("control.sock")).unwrap();
    let other = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut length = [0; 4];
        stream.read_exact(&mut length).unwrap();
        let mut hello = vec![0; u32::from_be_bytes(length) as usize];
        stream.read_exact(&mut hello).unwrap();
        assert!(String::from_utf8(hello).unwrap().contains(env!("CARGO_PKG_VERSION")));
        let answer = br#"{"Hello":{"version":"9.9.9"}}"#;
        stream.write_all(&(answer.len() as u32).to_be_bytes()).unwrap();
        stream.write_all(answer).unwrap();
    });
    machine.run(&["users", "list"]).refused(&["9.9.9", env!("CARGO_PKG_VERSION"), "4242"]);
    other.join().unwrap();
}

/// A front that speaks MCP on its standard streams.
struct Front {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    next: u64,
}

impl Front {
    fn start(machine: &Machine) -> Self {
        let mut command = machine.command(&["serve", "--stdio"]);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut front = Self { child, input, output, next: 0 };
        let about = serde_json::json!({ "protocolVersion": "2025-11-25", "capabilities": {},
            "clientInfo": { "name": "test", "version": "0" } });
        front.request("initialize", about);
        front.send(&serde_json::json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        front
    }

    fn send(&mut self, message: &serde_json::Value) {
        writeln!(self.input, "{message}").unwrap();
        self.input.flush().unwrap();
    }

    fn request(&mut self, method: &str, params: serde_json::Value) -> serde_json::Value {
        self.next += 1;
        let id = self.next;
        self.send(&serde_json::json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        loop {
            let mut line = String::new();
            if self.output.read_line(&mut line).unwrap() == 0 {
                let mut words = String::new();
                self.child.stderr.take().unwrap().read_to_string(&mut words).unwrap();
                panic!("the front ended: {words}");
            }
            let message: serde_json::Value = serde_json::from_str(&line).unwrap();
            if message["id"] == id {
                return message;
            }
        }
    }

    /// Asks, and expects an answer that is no error.
    #[track_caller]
    fn list_sources(&mut self) {
        let params = serde_json::json!({ "name": "list_sources", "arguments": {} });
        let reply = self.request("tools/call", params);
        assert!(reply["error"].is_null() && reply["result"]["isError"] != true, "{reply}");
        assert!(reply["result"]["content"][0]["text"].is_string(), "{reply}");
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        // It may have been killed already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn owner_pid(machine: &Machine) -> u32 {
    std::fs::read_to_string(machine.data().join("lock")).unwrap().trim().parse().unwrap()
}

#[test]
fn three_fronts_go_on_when_the_owner_is_killed() {
    let machine = Machine::new();
    machine.run(&["users", "add", "olga@acorn.example"]).done();
    let mut fronts: Vec<Front> = (0..3).map(|_| Front::start(&machine)).collect();
    for front in &mut fronts {
        front.list_sources();
    }
    while fronts.len() > 1 {
        let owner = owner_pid(&machine);
        let at = fronts.iter().position(|front| front.child.id() == owner).expect("a front owns the data");
        // `kill` is SIGKILL: nothing is said, nothing is cleaned up.
        let mut killed = fronts.remove(at);
        killed.child.kill().unwrap();
        killed.child.wait().unwrap();
        for front in &mut fronts {
            front.list_sources();
        }
        assert_ne!(owner_pid(&machine), owner);
        machine.run(&["users", "list"]).done();
    }
}

#[test]
fn operations_under_way_outlive_their_owner() {
    let machine = Machine::new();
    machine.run(&["users", "add", "olga@acorn.example"]).done();
    let mut fronts: Vec<Front> = (0..3).map(|_| Front::start(&machine)).collect();
    let first = fronts.remove(0);
    let owner = first.child.id();
    assert_eq!(owner_pid(&machine), owner, "the first to come owns the data");
    std::thread::scope(|scope| {
        for mut front in fronts {
            scope.spawn(move || {
                let end = Instant::now() + Duration::from_secs(2);
                let mut count = 0;
                while Instant::now() < end {
                    front.list_sources();
                    count += 1;
                }
                assert!(count > 2, "{count}");
            });
        }
        std::thread::sleep(Duration::from_millis(700));
        drop(first);
    });
}

/// Stands between fronts and the owner, and loses the first reply of each kind of operation: to the
/// front it is as if the owner had died after it had done what it was asked for.
struct Lossy {
    lost: std::sync::Arc<std::sync::Mutex<Vec<String>>>,
}

impl Lossy {
    fn between(machine: &Machine) -> Self {
        let (socket, real) = (machine.data().join("control.sock"), machine.data().join("real.sock"));
        std::fs::rename(&socket, &real).unwrap();
        let listener = UnixListener::bind(&socket).unwrap();
        let lost = std::sync::Arc::<std::sync::Mutex<Vec<String>>>::default();
        let noted = std::sync::Arc::clone(&lost);
        std::thread::spawn(move || {
            for front in listener.incoming() {
                let (front, owner) = (front.unwrap(), UnixStream::connect(&real).unwrap());
                let noted = std::sync::Arc::clone(&noted);
                std::thread::spawn(move || pass_on(front, owner, &noted));
            }
        });
        Self { lost }
    }

    fn lost(&self) -> Vec<String> {
        self.lost.lock().unwrap().clone()
    }
}

/// One frame with its length.
fn frame(stream: &mut UnixStream) -> Option<Vec<u8>> {
    let mut bytes = vec![0; 4];
    stream.read_exact(&mut bytes).ok()?;
    let length = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize;
    bytes.resize(4 + length, 0);
    stream.read_exact(&mut bytes[4..]).ok()?;
    Some(bytes)
}

#[test]
fn an_owner_does_nothing_for_a_front_of_another_version() {
    let machine = Machine::new();
    machine.run(&["users", "add", "olga@acorn.example"]).done();
    let _owner = Front::start(&machine);
    for (version, answered) in [(env!("CARGO_PKG_VERSION"), true), ("9.9.9", false)] {
        let mut stream = UnixStream::connect(machine.data().join("control.sock")).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let hello = serde_json::json!({ "Hello": { "version": version } });
        for message in [hello, serde_json::json!({ "Op": "ping" })] {
            let text = message.to_string();
            // The owner may have hung up by the second one.
            let _ = stream.write_all(&(text.len() as u32).to_be_bytes());
            let _ = stream.write_all(text.as_bytes());
        }
        let said = String::from_utf8(frame(&mut stream).unwrap().split_off(4)).unwrap();
        assert!(said.contains(env!("CARGO_PKG_VERSION")), "{said}");
        let replied = std::iter::from_fn(|| frame(&mut stream))
            .any(|bytes| String::from_utf8_lossy(&bytes).contains("Reply"));
        assert_eq!(replied, answered, "{version}");
    }
}

/// One connection: hello, hello, the operation, and what comes back.
fn pass_on(mut front: UnixStream, mut owner: UnixStream, lost: &std::sync::Mutex<Vec<String>>) -> Option<()> {
    owner.write_all(&frame(&mut front)?).ok()?;
    front.write_all(&frame(&mut owner)?).ok()?;
    let op = frame(&mut front)?;
    owner.write_all(&op).ok()?;
    let op: serde_json::Value = serde_json::from_slice(&op[4..]).ok()?;
    let name = match &op["Op"] {
        serde_json::Value::Object(op) => op.keys().next()?.clone(),
        other => other.as_str()?.to_owned(),
    };
    loop {
        let back = frame(&mut owner)?;
        let reply: serde_json::Value = serde_json::from_slice(&back[4..]).ok()?;
        if !reply["Reply"].is_null() {
            let mut lost = lost.lock().unwrap();
            if name != "ping" && !lost.contains(&name) {
                lost.push(name);
                return None;
            }
        }
        front.write_all(&back).ok()?;
    }
}

#[test]
fn an_operation_whose_reply_was_lost_is_done_once() {
    let machine = Machine::new();
    machine.run(&["users", "add", "olga@acorn.example"]).done();
    let mut front = Front::start(&machine);
    front.list_sources();
    let between = Lossy::between(&machine);
    machine.run(&["users", "add", "dana@acorn.example"]).done();
    let made = machine.run(&["tokens", "create", "dana@acorn.example", "--json"]).done().json();
    assert_eq!(between.lost(), ["users", "groups", "change_directory", "create_token"]);
    assert!(made["secret"].as_str().unwrap().starts_with("kwt_"), "{made}");
    let tokens = machine.run(&["tokens", "list", "--json"]).done().json();
    assert_eq!(tokens.as_array().unwrap().len(), 1, "{tokens}");
    assert_eq!(tokens[0]["id"], made["token"]["id"]);
    machine.run(&["tokens", "revoke", made["token"]["id"].as_str().unwrap()]).done();
    let users = machine.run(&["users", "list", "--json"]).done().json();
    assert_eq!(users.as_array().unwrap().len(), 2, "{users}");
    front.list_sources();
}

#[test]
fn many_verbs_at_once_all_succeed_and_nothing_is_lost() {
    let machine = Machine::new();
    let people: Vec<String> = (0..8).map(|n| format!("person{n}@acorn.example")).collect();
    std::thread::scope(|scope| {
        for handle in &people {
            let machine = &machine;
            scope.spawn(move || {
                machine.run(&["users", "add", handle]).done();
            });
        }
    });
    let users = machine.run(&["users", "list", "--json"]).done().json();
    assert_eq!(users.as_array().unwrap().len(), people.len());
}

#[test]
fn a_path_too_long_for_a_socket_works_as_well() {
    let machine = Machine::new();
    let long = machine.path(&"long".repeat(40));
    let data = ["--data-dir", long.to_str().unwrap()];
    machine.run(&[&data[..], &["users", "add", "olga@acorn.example"]].concat()).done();
    let config = std::fs::read_to_string(machine.config()).unwrap();
    machine
        .configure(&config.replace("data_dir = \"data\"", &format!("data_dir = \"{}\"", "long".repeat(40))));
    let mut front = Front::start(&machine);
    assert!(long.join("control.sock.link").exists());
    // Two processes at once: this one goes over the socket.
    machine.run(&["users", "list"]).done();
    front.list_sources();
}

#[test]
fn the_owner_ends_cleanly_while_others_ask() {
    let machine = Machine::new();
    machine.run(&["users", "add", "olga@acorn.example"]).done();
    let front = Front::start(&machine);
    let pid = rustix::process::Pid::from_child(&front.child);
    std::thread::scope(|scope| {
        for thread in 0..2 {
            let machine = &machine;
            scope.spawn(move || {
                for n in 0..6 {
                    let handle = format!("t{thread}n{n}@acorn.example");
                    let ran: Ran = machine.run(&["users", "add", &handle]);
                    ran.done();
                }
            });
        }
        std::thread::sleep(Duration::from_millis(100));
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    });
    let users = machine.run(&["users", "list", "--json"]).done().json();
    assert_eq!(users.as_array().unwrap().len(), 13);
    assert!(!machine.data().join("control.sock").exists(), "the last one cleans up");
}
