//! A network that cannot be relied on: what goes to a broker and back goes through here, whole requests at a time, and
//! some of it is held back, cut off or slow.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

/// The number of the call that ends a transaction.
const END_TXN: [u8; 2] = [0, 26];
/// How much later answers come while it is slow.
const SLOW: Duration = Duration::from_millis(500);

/// What happens to the next call that ends a transaction, or to everything.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Trouble {
    None,
    /// The call does not reach the broker until it is let go.
    HoldCall,
    /// Its answer does not come back until it is let go.
    HoldAnswer,
    /// The connection ends in the middle of its answer.
    CutAnswer,
    /// All answers come late.
    Slow,
}

#[derive(Default)]
struct Shared {
    trouble: AtomicU8,
    is_let_go: AtomicBool,
    /// How often something was held or cut.
    done: AtomicUsize,
}

impl Shared {
    fn is(&self, trouble: Trouble) -> bool {
        self.trouble.load(Ordering::SeqCst) == trouble as u8
    }

    /// Whether it is this one's turn; there is no second one.
    fn take(&self, trouble: Trouble) -> bool {
        let (from, to) = (trouble as u8, Trouble::None as u8);
        self.trouble.compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    fn hold(&self) {
        self.done.fetch_add(1, Ordering::SeqCst);
        while !self.is_let_go.load(Ordering::SeqCst) {
            sleep(Duration::from_millis(5));
        }
    }
}

/// It listens as long as the process lives.
pub struct Proxy {
    shared: Arc<Shared>,
    listener: TcpListener,
}

impl Proxy {
    pub fn new() -> Self {
        Self { shared: Arc::default(), listener: TcpListener::bind("127.0.0.1:0").unwrap() }
    }

    pub fn port(&self) -> u16 {
        self.listener.local_addr().unwrap().port()
    }

    /// Lets connections through to a port.
    pub fn open(&self, port: u16) {
        let (listener, shared) = (self.listener.try_clone().unwrap(), Arc::clone(&self.shared));
        spawn(move || {
            for client in listener.incoming().flatten() {
                // A broker that is away refuses.
                let Ok(broker) = TcpStream::connect(("127.0.0.1", port)) else { continue };
                connect(client, broker, &shared);
            }
        });
    }

    /// What happens from now on; what was held before goes on being held.
    pub fn set(&self, trouble: Trouble) {
        self.shared.is_let_go.store(false, Ordering::SeqCst);
        self.shared.trouble.store(trouble as u8, Ordering::SeqCst);
    }

    pub fn let_go(&self) {
        self.shared.is_let_go.store(true, Ordering::SeqCst);
    }

    /// How often something was held or cut so far.
    pub fn done(&self) -> usize {
        self.shared.done.load(Ordering::SeqCst)
    }
}

/// A message with its length before it.
fn frame(from: &mut TcpStream) -> Option<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length).ok()?;
    let mut frame = length.to_vec();
    frame.resize(4 + usize::try_from(u32::from_be_bytes(length)).unwrap(), 0);
    from.read_exact(&mut frame[4..]).ok()?;
    Some(frame)
}

/// The number by which an answer belongs to a call: the first of an answer, and the third of a call.
fn number(frame: &[u8], at: usize) -> [u8; 4] {
    frame[at..at + 4].try_into().unwrap()
}

fn connect(client: TcpStream, broker: TcpStream, shared: &Arc<Shared>) {
    let (answers, troubles) = mpsc::channel();
    let (mut from, mut to) = (client.try_clone().unwrap(), broker.try_clone().unwrap());
    let of_calls = Arc::clone(shared);
    spawn(move || {
        while let Some(call) = frame(&mut from) {
            if call[4..6] == END_TXN {
                if of_calls.take(Trouble::HoldCall) {
                    of_calls.hold();
                }
                for trouble in [Trouble::HoldAnswer, Trouble::CutAnswer] {
                    if of_calls.take(trouble) {
                        answers.send((number(&call, 8), trouble)).unwrap();
                    }
                }
            }
            if to.write_all(&call).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    });
    let (late, due) = mpsc::channel::<(Instant, Vec<u8>)>();
    let (mut from, of_answers) = (broker, Arc::clone(shared));
    spawn(move || {
        while let Some(answer) = frame(&mut from) {
            let wait = if of_answers.is(Trouble::Slow) { SLOW } else { Duration::ZERO };
            if late.send((Instant::now() + wait, answer)).is_err() {
                break;
            }
        }
    });
    let shared = Arc::clone(shared);
    spawn(move || deliver(client, &due, &troubles, &shared));
}

/// Gives answers back when they are due.
fn deliver(
    mut to: TcpStream,
    due: &mpsc::Receiver<(Instant, Vec<u8>)>,
    troubles: &mpsc::Receiver<([u8; 4], Trouble)>,
    shared: &Shared,
) {
    let mut trouble = None;
    while let Ok((at, answer)) = due.recv() {
        sleep(at.saturating_duration_since(Instant::now()));
        trouble = troubles.try_recv().ok().or(trouble);
        let mut whole = answer.len();
        match trouble.filter(|(of, _)| *of == number(&answer, 4)) {
            Some((_, Trouble::HoldAnswer)) => shared.hold(),
            Some(_) => {
                shared.done.fetch_add(1, Ordering::SeqCst);
                whole /= 2;
            }
            None => {}
        }
        if to.write_all(&answer[..whole]).is_err() || whole < answer.len() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}
