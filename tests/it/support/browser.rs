//! Headless Chromium, controlled over WebDriver, with a beacon that receives what it sends elsewhere.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::ops::Deref;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::http::{Reply, Site};
use super::{has_program, real_part};

/// How long to wait for a page.
const LIMIT: Duration = Duration::from_secs(30);
/// The size of the window in pixels.
const WIDTH: u32 = 1280;
const HEIGHT: u32 = 800;

/// A server that records every connection. The host name `out.example` resolves to it on any port.
pub struct Beacon {
    address: String,
    seen: Arc<Mutex<Vec<String>>>,
}

/// The beacon's own request, which marks what came before it.
const MARK: &str = "MARK";

impl Beacon {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let place = {
                    let mut seen = kept.lock().expect("no panic while locked");
                    seen.push(String::new());
                    seen.len() - 1
                };
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || record(stream, place, &kept));
            }
        });
        Self { address, seen }
    }

    /// The first line of each request; an empty string for a connection without a request.
    pub fn seen(&self) -> Vec<String> {
        let mut seen = self.seen.lock().expect("no panic while locked").clone();
        seen.retain(|line| line != MARK);
        seen
    }

    /// All requests until now. Connections are accepted in order, so this opens one itself and waits
    /// for it.
    pub fn seen_until_now(&self) -> Vec<String> {
        let mut stream = TcpStream::connect(&self.address).expect("the beacon is there");
        stream.write_all(MARK.as_bytes()).expect("it reads");
        stream.shutdown(Shutdown::Write).expect("it reads");
        stream.read_to_end(&mut Vec::new()).expect("it answers");
        let mut seen = self.seen.lock().expect("no panic while locked").clone();
        let mark = seen.iter().rposition(|line| line == MARK);
        seen.truncate(mark.expect("what was written is read"));
        seen.retain(|line| line != MARK);
        seen
    }
}

fn record(mut stream: TcpStream, place: usize, seen: &Mutex<Vec<String>>) {
    let mut bytes = [0; 2000];
    let count = stream.read(&mut bytes).unwrap_or(0);
    let text = String::from_utf8_lossy(&bytes[..count]).into_owned();
    let line = text.lines().next().unwrap_or_default().to_owned();
    seen.lock().expect("no panic while locked")[place] = line;
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
}

/// Starts chromedriver, and returns its port. `profile` is the folder of the browser's profile.
///
/// A shell guards the driver, because [`POOL`] is never dropped: when this process ends, standard input
/// of the shell ends, and the shell ends the driver, the browser and the profile.
fn drive(profile: &TempDir) -> Option<(Child, String)> {
    const GUARD: &str = "{ chromedriver --port=0; kill -KILL 0; } & cat >/dev/null; \
                         trap '' TERM; kill -TERM 0; sleep 1; rm -rf \"$0\"; kill -KILL 0";
    let mut driver = Command::new("sh")
        .args(["-c", GUARD])
        .arg(profile.path())
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("sh starts");
    let output = BufReader::new(driver.stdout.take().expect("a pipe"));
    let mut lines = output.lines().map_while(Result::ok);
    let port = lines.find_map(|line| {
        let port = line.split_once("successfully on port ")?.1;
        Some(port.trim_end_matches('.').to_owned())
    });
    let Some(port) = port else {
        driver.wait().expect("it ends with chromedriver");
        return None;
    };
    // Drain the pipe, or the driver blocks when it is full.
    std::thread::spawn(move || lines.for_each(drop));
    Some((driver, port))
}

/// Browsers that no test uses at the moment.
static POOL: Mutex<Vec<Chromium>> = Mutex::new(Vec::new());

/// A browser with one window. Returns to the pool when the test ends.
pub struct Browser(Option<Chromium>);

/// A Chromium that can connect only to this machine and to its beacon.
pub struct Chromium {
    beacon: Beacon,
    driver: Child,
    site: Site,
    session: String,
    profile: TempDir,
}

/// Takes a browser from the pool, or starts one. `None` if Chromium is not installed.
pub fn browser() -> Option<Browser> {
    let found = has_program("chromium") && has_program("chromedriver");
    if !real_part("Chromium and its driver", found) {
        return None;
    }
    let idle = POOL.lock().expect("no panic while locked").pop();
    Some(Browser(Some(idle.unwrap_or_else(Chromium::start))))
}

impl Deref for Browser {
    type Target = Chromium;

    fn deref(&self) -> &Chromium {
        self.0.as_ref().expect("it is taken only on drop")
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let browser = self.0.take().expect("it is taken only here");
        // After a failure its state is unknown. What it sent to the beacon could reach it late.
        if !std::thread::panicking() && browser.beacon.seen_until_now().is_empty() {
            browser.go("about:blank").size(WIDTH, HEIGHT);
            if browser.windows() == 1 {
                POOL.lock().expect("no panic while locked").push(browser);
            }
        }
    }
}

impl Chromium {
    fn start() -> Self {
        let profile = TempDir::new().expect("a folder");
        // The driver needs the same port in IPv4 and IPv6, and ends if another program has one of them.
        let (driver, port) = (0..5).find_map(|_| drive(&profile)).expect("a driver");
        let mut browser = Self {
            beacon: Beacon::start(),
            driver,
            site: Site(format!("127.0.0.1:{port}")),
            session: String::new(),
            profile,
        };
        browser.begin();
        browser
    }

    /// Receives everything that the browser sends to `out.example`.
    pub fn beacon(&self) -> &Beacon {
        &self.beacon
    }

    fn begin(&mut self) {
        let hosts = format!(
            "--host-resolver-rules=MAP out.example {}, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
            self.beacon.address
        );
        let profile = format!("--user-data-dir={}", self.profile.path().display());
        let args = json!([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-default-apps",
            format!("--window-size={WIDTH},{HEIGHT}"),
            "--disable-dev-shm-usage",
            "--disable-domain-reliability",
            "--no-pings",
            "--disable-client-side-phishing-detection",
            "--disable-features=OptimizationHints,MediaRouter",
            hosts,
            profile
        ]);
        let capabilities = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": { "args": args, "binary": "/usr/bin/chromium" },
            "unhandledPromptBehavior": "ignore",
        } } });
        let session = self.call("POST", "/session", &capabilities);
        self.session = session["sessionId"].as_str().expect("a session").to_owned();
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let reply = self.try_call(method, path, body);
        let value = reply.json()["value"].clone();
        assert_eq!(reply.status, 200, "{method} {path}: {value:#}");
        value
    }

    fn try_call(&self, method: &str, path: &str, body: &Value) -> Reply {
        let body = if method == "POST" {
            body.to_string()
        } else {
            String::new()
        };
        let kind = "Content-Type: application/json";
        self.site
            .ask(&format!("{method} {path}"), &[kind], body.as_bytes())
    }

    fn post(&self, command: &str, body: &Value) -> Value {
        self.call("POST", &format!("/session/{}{command}", self.session), body)
    }

    fn get(&self, command: &str) -> Value {
        self.call(
            "GET",
            &format!("/session/{}{command}", self.session),
            &Value::Null,
        )
    }

    pub fn go(&self, url: &str) -> &Self {
        self.post("/url", &json!({ "url": url }));
        self
    }

    pub fn url(&self) -> String {
        self.get("/url").as_str().expect("a URL").to_owned()
    }

    pub fn back(&self) {
        self.post("/back", &json!({}));
    }

    /// Runs the body of a function, and returns its result.
    pub fn eval(&self, script: &str) -> Value {
        self.post("/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Runs a command of the DevTools protocol, and returns its result.
    pub fn devtools(&self, command: &str, parameters: &Value) -> Value {
        let body = json!({ "cmd": command, "params": parameters });
        self.post("/goog/cdp/execute", &body)
    }

    /// Waits until an expression is true.
    #[track_caller]
    pub fn until(&self, expression: &str) -> &Self {
        let begun = Instant::now();
        let script = format!("try {{ return Boolean(({expression})) }} catch {{ return false }}");
        while self.eval(&script) != json!(true) {
            assert!(
                begun.elapsed() < LIMIT,
                "{expression} is still false. The page has\n{}",
                self.eval("return document.body.innerText")
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        self
    }

    /// Presses keys, such as `Enter` and `a`.
    pub fn keys(&self, keys: &[&str]) -> &Self {
        let key = |name: &&str| match *name {
            "Enter" => "\u{e007}".to_owned(),
            "Escape" => "\u{e00c}".to_owned(),
            "Tab" => "\u{e004}".to_owned(),
            "ArrowDown" => "\u{e015}".to_owned(),
            "ArrowRight" => "\u{e014}".to_owned(),
            other => other.to_owned(),
        };
        let press = |key: String| {
            [
                json!({ "type": "keyDown", "value": key }),
                json!({ "type": "keyUp", "value": key }),
            ]
        };
        let actions: Vec<Value> = keys.iter().map(key).flat_map(press).collect();
        let keyboard = json!({ "type": "key", "id": "keyboard", "actions": actions });
        self.post("/actions", &json!({ "actions": [keyboard] }));
        self
    }

    pub fn type_text(&self, text: &str) -> &Self {
        let keys: Vec<String> = text.chars().map(String::from).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        self.keys(&keys)
    }

    pub fn click(&self, selector: &str) -> &Self {
        // The page may draw the element again between the two commands.
        for _ in 0..5 {
            let element = self.element(selector);
            let path = format!("/session/{}/element/{element}/click", self.session);
            let reply = self.try_call("POST", &path, &json!({}));
            if reply.json()["value"]["error"] != "stale element reference" {
                assert_eq!(reply.status, 200, "click {selector}: {:#}", reply.json());
                return self;
            }
        }
        panic!("{selector} is drawn again and again");
    }

    /// Drags an element to the right, in pixels, in steps as a hand does.
    pub fn drag(&self, selector: &str, by: i32) -> &Self {
        let origin = json!({ "element-6066-11e4-a52e-4f735466cecf": self.element(selector) });
        let step = |x: i32| json!({ "type": "pointerMove", "duration": 20, "x": x, "y": 0, "origin": "pointer" });
        let mut actions = vec![
            json!({ "type": "pointerMove", "duration": 0, "x": 0, "y": 0, "origin": origin }),
            json!({ "type": "pointerDown", "button": 0 }),
        ];
        actions.extend((0..4).map(|_| step(by / 4)));
        actions.push(json!({ "type": "pointerUp", "button": 0 }));
        let mouse = json!({ "type": "pointer", "id": "mouse", "actions": actions });
        self.post("/actions", &json!({ "actions": [mouse] }));
        self
    }

    fn element(&self, selector: &str) -> String {
        let found = self.post(
            "/element",
            &json!({ "using": "css selector", "value": selector }),
        );
        let id = found.as_object().and_then(|ids| ids.values().next());
        id.and_then(Value::as_str).expect("an element").to_owned()
    }

    /// Like [`Chromium::eval`], inside a frame.
    pub fn eval_in(&self, selector: &str, script: &str) -> Value {
        let element = self.element(selector);
        let reference = json!({ "element-6066-11e4-a52e-4f735466cecf": element });
        self.post("/frame", &json!({ "id": reference }));
        let value = self.eval(script);
        self.post("/frame", &json!({ "id": null }));
        value
    }

    /// Like [`Chromium::eval_in`]; `None` if the frame is replaced meanwhile.
    pub fn try_eval_in(&self, selector: &str, script: &str) -> Option<Value> {
        let post = |command: &str, body: Value| {
            let path = format!("/session/{}{command}", self.session);
            let reply = self.try_call("POST", &path, &body);
            (reply.status == 200).then(|| reply.json()["value"].clone())
        };
        let locator = json!({ "using": "css selector", "value": selector });
        let element = post("/element", locator)?;
        let value = post("/frame", json!({ "id": element }))
            .and_then(|_| post("/execute/sync", json!({ "script": script, "args": [] })));
        self.post("/frame", &json!({ "id": null }));
        value
    }

    /// Resizes the window.
    pub fn size(&self, width: u32, height: u32) -> &Self {
        self.post("/window/rect", &json!({ "width": width, "height": height }));
        self
    }

    /// The number of open windows.
    pub fn windows(&self) -> usize {
        self.get("/window/handles").as_array().map_or(0, Vec::len)
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // Fails if the browser has ended.
        let path = format!("/session/{}", self.session);
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            self.try_call("DELETE", &path, &Value::Null);
        }));
        let _ = kill_process_group(Pid::from_child(&self.driver), Signal::KILL);
        let _ = self.driver.wait();
    }
}
