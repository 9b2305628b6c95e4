//! Tests of the guarded client: what it must not connect to, by whatever spelling, and that nobody goes round it.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use tokio::net::TcpListener;

use super::*;

const SOON: Duration = Duration::from_secs(5);

/// URLs nobody on the wire can make us fetch.
const REFUSED: [&str; 96] = [
    // Loopback, in every spelling that parsers accept.
    "http://127.0.0.1/",
    "http://127.0.0.1:5001/",
    "https://127.1/",
    "http://127.255.255.254/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.0.0.1/",
    "http://0177.0.0.1/",
    "http://017700000001/",
    "http://0x7f.1/",
    "http://127.0.0.1./",
    "http://\u{ff11}\u{ff12}\u{ff17}.0.0.1/",
    "http://127\u{3002}0\u{3002}0\u{3002}1/",
    "http://%31%32%37.0.0.1/",
    "http://localhost/",
    "http://LOCALHOST./",
    "http://localtest.test/",
    "http://[::1]/",
    "http://[0:0:0:0:0:0:0:1]/",
    "http://[0000:0000:0000:0000:0000:0000:0000:0001]:80/",
    // Unspecified, which Linux connects to loopback.
    "http://0.0.0.0/",
    "http://0/",
    "http://0.1.2.3/",
    "http://[::]/",
    "http://[0:0::0]/",
    // Private.
    "http://10.0.0.1/",
    "http://10.255.255.255/",
    "http://012.0.0.1/",
    "http://167772161/",
    "http://172.16.0.1/",
    "http://172.31.255.255/",
    "http://192.168.0.1/",
    "http://192.168.1/",
    "http://0xc0a80001/",
    "http://[fc00::1]/",
    "http://[fd12:3456:789a::1]/",
    "http://[fec0::1]/",
    "http://[feff::1]/",
    "http://intranet.test/",
    // Carrier-grade NAT.
    "http://100.64.0.1/",
    "http://100.127.255.255/",
    // Link-local and metadata.
    "http://169.254.169.254/latest/meta-data/",
    "http://169.254.0.1/",
    "http://2852039166/",
    "http://0xa9fea9fe/",
    "http://0251.0376.0251.0376/",
    "http://169.254.43518/",
    "http://[fe80::1]/",
    "http://[febf::1]/",
    "http://[fd00:ec2::254]/",
    "http://[fd20:ce::254]/",
    "http://100.100.100.200/",
    "http://168.63.129.16/",
    "http://192.0.0.192/",
    "http://metadata.google.internal/",
    // Multicast, broadcast, reserved, documentation, benchmarks.
    "http://224.0.0.1/",
    "http://239.255.255.255/",
    "http://240.0.0.1/",
    "http://255.255.255.255/",
    "http://192.0.2.1/",
    "http://198.51.100.1/",
    "http://203.0.113.1/",
    "http://198.18.0.1/",
    "http://198.19.255.255/",
    "http://192.0.0.1/",
    "http://192.88.99.1/",
    "http://[ff02::1]/",
    "http://[2001:db8::1]/",
    "http://[3fff::1]/",
    "http://[2001:2::1]/",
    "http://[100::1]/",
    "http://[4000::1]/",
    // IPv4 hidden in IPv6.
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[::ffff:169.254.169.254]/",
    "http://[::ffff:10.0.0.1]/",
    "http://[::127.0.0.1]/",
    "http://[::a9fe:a9fe]/",
    "http://[::ffff:0:127.0.0.1]/",
    "http://[64:ff9b::127.0.0.1]/",
    "http://[64:ff9b::a9fe:a9fe]/",
    "http://[64:ff9b:1::10.0.0.1]/",
    "http://[2002:7f00:1::]/",
    "http://[2002:a9fe:a9fe::1]/",
    "http://[2001:0:4136:e378:8000:63bf:80ff:fffe]/",
    "http://[2606:4700::5efe:7f00:1]/",
    "http://[2606:4700::200:5efe:a00:1]/",
    // Other schemes, users, nothing at all.
    "ftp://1.1.1.1/",
    "file:///etc/passwd",
    "gopher://1.1.1.1/",
    "data:text/plain,x",
    "unix:/var/run/docker.sock",
    "http://user@1.1.1.1/",
    "http://user:password@1.1.1.1/",
    "http://1.1.1.1@127.0.0.1/",
    "http://api.telnyx.com@127.0.0.1/",
];

/// Gives fixed addresses for a few names, and another one each time for `rebind.test`.
#[derive(Default)]
struct FakeLookup {
    asked: AtomicUsize,
}

#[async_trait]
impl Lookup for FakeLookup {
    async fn lookup(&self, host: &str) -> io::Result<Vec<SocketAddr>> {
        let asked = self.asked.fetch_add(1, Ordering::SeqCst);
        let addresses: &[&str] = match host.trim_end_matches('.') {
            "localhost" | "localtest.test" => &["::1", "127.0.0.1"],
            "intranet.test" => &["10.1.2.3", "fd00::1"],
            "metadata.google.internal" => &["169.254.169.254"],
            // The first answer would pass a check made beforehand.
            "rebind.test" if asked == 0 => &["1.1.1.1"],
            "rebind.test" => &["127.0.0.1"],
            _ => return Err(io::ErrorKind::NotFound.into()),
        };
        Ok(addresses.iter().map(|text| SocketAddr::new(text.parse().unwrap(), 0)).collect())
    }
}

fn outbound(trusted: Option<&str>) -> (Outbound, Arc<FakeLookup>) {
    let lookup = Arc::new(FakeLookup::default());
    let trusted = trusted.map(|url| url.parse().unwrap());
    let outbound = Outbound::with_lookup(trusted.as_ref(), Counter::default(), lookup.clone()).unwrap();
    (outbound, lookup)
}

async fn get(outbound: &Outbound, url: &str, policy: Policy) -> Result<Answer, OutboundError> {
    let url = url.parse().unwrap();
    let (method, headers, body) = (Method::GET, HeaderMap::new(), Bytes::new());
    outbound.send(Outgoing { method, url: &url, policy, headers, body, timeout: SOON }).await
}

async fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// Whether somebody has connected; a connection is there when `connect` returns, so there is nothing to wait for.
async fn was_connected(listener: &TcpListener) -> bool {
    std::future::poll_fn(|cx| std::task::Poll::Ready(listener.poll_accept(cx).is_ready())).await
}

#[tokio::test]
async fn no_address_from_the_wire_leads_inside_by_any_spelling() {
    let (outbound, _) = outbound(None);
    for url in REFUSED {
        let refused = match url.parse::<Url>() {
            Err(_) => true,
            Ok(_) => matches!(get(&outbound, url, Policy::Wire).await, Err(OutboundError::Blocked { .. })),
        };
        assert!(refused, "{url}");
    }
    assert!(outbound.blocked.get() >= 80, "refusals are counted: {}", outbound.blocked.get());
}

#[test]
fn public_addresses_are_allowed_in_every_family() {
    for address in [
        "1.1.1.1",
        "8.8.8.8",
        "100.63.255.255",
        "100.128.0.0",
        "172.15.0.1",
        "172.32.0.1",
        "192.0.1.1",
        "198.17.0.1",
        "223.255.255.255",
        "2606:4700::1111",
        "2a00:1450:4001::1",
        "::ffff:1.1.1.1",
        "64:ff9b::1.1.1.1",
    ] {
        let address: IpAddr = address.parse().unwrap();
        assert_eq!(Policy::Wire.forbids(address), None, "{address}");
    }
}

#[test]
fn the_operator_may_name_private_addresses_but_never_metadata() {
    for address in ["127.0.0.1", "::1", "10.0.0.1", "192.168.0.1", "fd00::1", "100.64.0.1", "::ffff:10.0.0.1"]
    {
        let address: IpAddr = address.parse().unwrap();
        assert_eq!(Policy::Configured.forbids(address), None, "{address}");
    }
    for address in [
        "169.254.169.254",
        "169.254.1.1",
        "fe80::1",
        "fd00:ec2::254",
        "100.100.100.200",
        "::ffff:169.254.169.254",
        "::ffff:0:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::a9fe:a9fe",
        "2002:a9fe:a9fe::",
        "2001:0:1:2:3:4:5601:5601",
        "fd00::5efe:a9fe:a9fe",
    ] {
        let address: IpAddr = address.parse().unwrap();
        assert!(Policy::Configured.forbids(address).is_some(), "{address}");
    }
}

#[tokio::test]
async fn a_name_that_turns_to_loopback_after_a_check_is_not_connected_to() {
    let (listener, port) = listener().await;
    let (outbound, lookup) = outbound(None);
    // Somebody has looked the name up before and found it harmless.
    assert_eq!(lookup.lookup("rebind.test").await.unwrap()[0].ip(), IpAddr::from([1, 1, 1, 1]));
    let result = get(&outbound, &format!("http://rebind.test:{port}/"), Policy::Wire).await;
    assert!(matches!(result, Err(OutboundError::Blocked { .. })));
    assert!(!was_connected(&listener).await);
}

#[tokio::test]
async fn of_a_names_addresses_only_allowed_ones_are_connected_to() {
    let (outbound, _) = outbound(None);
    // Nothing listens; what matters is that the refusal is not the address's.
    let result = get(&outbound, "http://localhost:1/", Policy::Configured).await;
    assert!(matches!(result, Err(OutboundError::Connect(_))));
    let mixed = ["127.0.0.1:0", "1.1.1.1:0"].map(|text| text.parse().unwrap()).to_vec();
    let allowed = resolver::allowed(Policy::Wire, mixed).unwrap();
    assert_eq!(allowed, ["1.1.1.1:0".parse::<SocketAddr>().unwrap()]);
}

#[tokio::test]
async fn the_trusted_origin_is_one_scheme_host_and_port() {
    let (listener, port) = listener().await;
    let (outbound, _) = outbound(Some(&format!("http://127.0.0.1:{port}/any/path")));
    let (serve, answer) = tokio::join!(answer_once(&listener), async {
        get(&outbound, &format!("http://127.0.0.1:{port}/media"), Policy::Wire).await
    });
    serve.unwrap();
    assert_eq!(answer.unwrap().status(), StatusCode::NO_CONTENT);
    let other = if port == u16::MAX { port - 1 } else { port + 1 };
    for url in [
        format!("http://127.0.0.1:{other}/"),
        format!("https://127.0.0.1:{port}/"),
        format!("http://localhost:{port}/"),
        format!("http://127.0.0.2:{port}/"),
        "http://169.254.169.254/".to_owned(),
    ] {
        let result = get(&outbound, &url, Policy::Wire).await;
        assert!(matches!(result, Err(OutboundError::Blocked { .. })), "{url}");
    }
}

async fn answer_once(listener: &TcpListener) -> io::Result<()> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (mut socket, _) = listener.accept().await?;
    let mut head = [0; 1_024];
    let _ = socket.read(&mut head).await?;
    socket.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await
}

#[test]
fn nothing_in_this_crate_goes_round_the_guarded_client() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut ways_round = Vec::new();
    walk(&source, &mut |path, text| {
        let is_guard = path.starts_with(source.join("outbound")) || path == source.join("outbound.rs");
        for (number, line) in text.lines().enumerate().filter(|_| !is_guard) {
            let code = line.split("//").next().unwrap_or_default().replace("reqwest::Error", "");
            if ["reqwest", "TcpStream::connect", "TcpSocket", "UdpSocket", "hyper", "lookup_host"]
                .iter()
                .any(|way| code.contains(way))
            {
                ways_round.push(format!("{}:{}", path.display(), number + 1));
            }
        }
    });
    assert_eq!(ways_round, Vec::<String>::new());
}

fn walk(folder: &Path, see: &mut impl FnMut(&Path, &str)) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, see);
        } else {
            see(&path, &std::fs::read_to_string(&path).unwrap());
        }
    }
}
