// SPDX-License-Identifier: Apache-2.0
// HTTP/1.1 within rustls. The server's threads serve many connections each, in turn, and say what
// they were asked; each of the client's has a connection of its own and says its port and mark.
//     secure-rust serve PORT CERT KEY       both in DER
//     secure-rust ask PORT CONNECTIONS REQUESTS [PAUSE_MS [FIRST_MARK]]
use rustls::client::{ServerCertVerified, ServerCertVerifier};
use rustls::{Certificate, ClientConfig, ClientConnection, PrivateKey, ServerConfig};
use rustls::{ServerConnection, ServerName, StreamOwned};
use std::io::{ErrorKind, Read, Result, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{mpsc, Arc};
use std::time::{Duration, SystemTime};
use std::{env, fs, thread};

const THREADS: usize = 3;
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n";

struct Served {
    tls: ServerConnection,
    socket: TcpStream,
    asked: Vec<u8>,
}

fn would_block<T>(r: &Result<T>) -> bool {
    matches!(r, Err(e) if e.kind() == ErrorKind::WouldBlock)
}

/// What there is to do for it now: Ok(false) is nothing, an error is its end.
fn turn(c: &mut Served) -> Result<bool> {
    let mut text = [0; 4096];
    let came = c.tls.read_tls(&mut c.socket);

    if would_block(&came) {
        return Ok(false);
    }
    if came? == 0 {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    c.tls.process_new_packets().map_err(|e| std::io::Error::new(ErrorKind::Other, e))?;
    loop {
        match c.tls.reader().read(&mut text) {
            Ok(n) if n > 0 => c.asked.extend_from_slice(&text[..n]),
            _ => break,
        }
    }
    while let Some(end) = c.asked.windows(4).position(|w| w == b"\r\n\r\n") {
        let head = String::from_utf8_lossy(&c.asked[..end]).into_owned();
        println!("{}", head.lines().next().unwrap_or(""));
        c.asked.drain(..end + 4);
        c.tls.writer().write_all(ANSWER)?;
    }
    while c.tls.wants_write() {
        let sent = c.tls.write_tls(&mut c.socket);
        if would_block(&sent) {
            thread::yield_now();
        } else {
            sent?;
        }
    }
    Ok(true)
}

fn work(accepted: mpsc::Receiver<Served>) {
    let mut served: Vec<Box<Served>> = Vec::new();

    loop {
        let mut busy = false;

        served.extend(accepted.try_iter().map(Box::new));
        served.retain_mut(|c| match turn(c) {
            Ok(did) => {
                busy |= did;
                true
            }
            Err(_) => false,
        });
        if !busy {
            thread::sleep(Duration::from_micros(200));
        }
    }
}

fn serve(port: u16, cert: &str, key: &str) -> Result<()> {
    let config = ServerConfig::builder()
        .with_safe_defaults()
        .with_no_client_auth()
        .with_single_cert(vec![Certificate(fs::read(cert)?)], PrivateKey(fs::read(key)?))
        .expect("certificate");
    let config = Arc::new(config);
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let (tx, rx) = mpsc::channel();
            thread::spawn(move || work(rx));
            tx
        })
        .collect();
    let listener = TcpListener::bind(("127.0.0.1", port))?;

    for (i, socket) in listener.incoming().enumerate() {
        let socket = socket?;
        socket.set_nonblocking(true)?;
        let tls = ServerConnection::new(config.clone()).expect("connection");
        let _ = threads[i % THREADS].send(Served { tls, socket, asked: Vec::new() });
    }
    Ok(())
}

struct Anyone;

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self, _: &Certificate, _: &[Certificate], _: &ServerName,
        _: &mut dyn Iterator<Item = &[u8]>, _: &[u8], _: SystemTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }
}

fn ask(config: Arc<ClientConfig>, port: u16, mark: usize, n: usize, pause: u64) -> Result<()> {
    let socket = TcpStream::connect(("127.0.0.1", port))?;
    let tls = ClientConnection::new(config, "localhost".try_into().unwrap()).expect("connection");
    let own = socket.local_addr()?.port();
    let mut stream = StreamOwned::new(tls, socket);
    let mut answer = [0; ANSWER.len()];

    println!("{} {}", own, mark);
    for i in 0..n {
        write!(stream, "GET /marked/{}/x?n={} HTTP/1.1\r\nHost: localhost\r\n\r\n", mark, i)?;
        stream.flush()?;
        stream.read_exact(&mut answer)?;
        thread::sleep(Duration::from_millis(pause));
    }
    Ok(())
}

fn main() {
    let words: Vec<String> = env::args().collect();
    let number = |i: usize| words.get(i).map_or(0, |w| w.parse::<usize>().expect("a number"));

    if words[1] == "serve" {
        serve(number(2) as u16, &words[3], &words[4]).expect("server");
        return;
    }
    let config = ClientConfig::builder()
        .with_safe_defaults()
        .with_custom_certificate_verifier(Arc::new(Anyone))
        .with_no_client_auth();
    let config = Arc::new(config);
    let (port, requests, pause) = (number(2) as u16, number(4), number(5) as u64);
    let first = number(6);
    let threads: Vec<_> = (0..number(3))
        .map(|i| {
            let config = config.clone();
            thread::spawn(move || ask(config, port, first + i, requests, pause))
        })
        .collect();
    for t in threads {
        t.join().unwrap().expect("a connection");
    }
}
