//! Sessions on a port that is played, host after host: whatever comes first, the news or the bytes, the next host is served.

use super::link::Link;
use super::played::Port;
use super::{NO_SESSION, Sessions};
use crate::dispatch::DispatchBuilder;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::time::sleep;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
const PING: &[u8] = &[0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
const PONG: &[u8] = &[0, 0, 8, 6, 1, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
const PATIENCE: Duration = Duration::from_secs(30);
/// What a host waits for an answer before it opens the port again.
const HOST_WAITS: Duration = Duration::from_millis(500);

struct Play {
    port: Arc<Port>,
    open: Arc<AtomicU32>,
    nonce: u32,
}

impl Play {
    fn begin() -> Self {
        let (port, open) = (Port::new(), Arc::new(AtomicU32::new(0)));
        let sessions = Sessions::new(
            DispatchBuilder::default().build(Arc::default()),
            Arc::clone(&open),
            Arc::default(),
            PATIENCE,
        );
        let link = Link::Played(Arc::clone(&port));
        tokio::spawn(async move { sessions.serve(link).await });
        Self { port, open, nonce: 0 }
    }

    fn tell_all(&self) {
        while self.port.tell() {}
    }

    fn say_hello(&mut self) -> Vec<u8> {
        self.nonce += 1;
        self.port.say(format!("KELPIE-HELLO 1 {:032x}\n", self.nonce).as_bytes());
        format!("KELPIE-READY 1 {:032x}\n", self.nonce).into_bytes()
    }

    fn has_heard(&self, words: &[u8]) -> bool {
        self.port.heard().windows(words.len()).any(|window| window == words)
    }

    /// Lets the agent do what it can do at once.
    async fn settle(&self) {
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
    }

    /// A host that comes, is heard of at once, and is served.
    async fn serve_one(&mut self) {
        self.port.come();
        self.tell_all();
        let ready = self.say_hello();
        self.settle().await;
        assert!(self.has_heard(&ready));
        self.port.say(&[PREFACE, SETTINGS, PING].concat());
        self.settle().await;
        assert!(self.has_heard(PONG));
    }

    fn sessions(&self) -> u32 {
        self.open.load(Ordering::Relaxed)
    }
}

#[tokio::test(start_paused = true)]
async fn late_news_of_the_last_hosts_going_does_not_end_the_next_ones_session() {
    for pause in [Duration::ZERO, Duration::from_millis(1), Duration::from_millis(150)] {
        let mut play = Play::begin();
        play.serve_one().await;
        play.port.go();
        play.port.come();
        let ready = play.say_hello();
        play.settle().await;
        assert!(play.has_heard(&ready));
        play.port.say(&[PREFACE, SETTINGS].concat());
        assert!(play.port.tell());
        sleep(pause).await;
        play.port.say(PING);
        play.settle().await;
        assert!(play.port.tell());
        play.settle().await;
        assert!(play.has_heard(PONG), "after {pause:?}");
        sleep(Duration::from_secs(5)).await;
        assert_eq!(play.sessions(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_that_goes_leaves_no_session() {
    let mut play = Play::begin();
    for _ in 0..3 {
        play.serve_one().await;
        assert_eq!(play.sessions(), 1);
        play.port.go();
        play.tell_all();
        sleep(Duration::from_millis(201)).await;
        assert_eq!(play.sessions(), 0);
    }
}

/// Every order in which the news of one host's going and the next one's coming can reach the agent among the next one's words,
/// with the last one cut at every byte of what it said.
#[tokio::test(start_paused = true)]
async fn the_next_host_is_served_wherever_the_last_was_cut_and_whenever_the_news_come() {
    let frame = [&[0, 0, 30, 0, 0, 0, 0, 0, 1][..], &[b'K'; 30]].concat();
    let said = [PREFACE, SETTINGS, PING, &frame].concat();
    for cut in 0..=said.len() {
        for (going, coming) in
            [(0, 0), (0, 1), (0, 2), (0, 3), (1, 1), (1, 2), (1, 3), (2, 2), (2, 3), (3, 3)]
        {
            let mut play = Play::begin();
            play.port.come();
            play.tell_all();
            play.say_hello();
            play.settle().await;
            play.port.say(&said[..cut]);
            play.settle().await;
            play.port.go();
            play.port.come();
            let begun = tokio::time::Instant::now();
            let tell = async |play: &Play, step: u32| {
                for _ in [going, coming].iter().filter(|&&when| when == step) {
                    play.port.tell();
                    play.settle().await;
                }
            };
            tell(&play, 0).await;
            let mut ready = play.say_hello();
            play.settle().await;
            tell(&play, 1).await;
            // As a host does that hears no answer: it opens the port again.
            while !play.has_heard(&ready) {
                sleep(Duration::from_millis(10)).await;
                if begun.elapsed() > HOST_WAITS {
                    play.port.go();
                    play.port.come();
                    play.tell_all();
                    ready = play.say_hello();
                    play.settle().await;
                    sleep(Duration::from_millis(160)).await;
                    assert!(play.has_heard(&ready), "cut at {cut}, news at {going} and {coming}");
                }
            }
            play.port.say(&[PREFACE, SETTINGS].concat());
            play.settle().await;
            tell(&play, 2).await;
            play.port.say(PING);
            play.settle().await;
            tell(&play, 3).await;
            play.settle().await;
            assert!(play.has_heard(PONG), "cut at {cut}, news at {going} and {coming}");
            assert!(begun.elapsed() < Duration::from_secs(1), "cut at {cut}, news at {going} and {coming}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_whose_coming_was_not_told_is_served_when_it_comes_again() {
    let mut play = Play::begin();
    play.serve_one().await;
    play.port.go();
    play.tell_all();
    play.port.come();
    play.port.lose_news();
    let ready = play.say_hello();
    sleep(HOST_WAITS).await;
    assert!(!play.has_heard(&ready));
    play.port.go();
    play.tell_all();
    play.serve_one().await;
}

#[tokio::test(start_paused = true)]
async fn a_host_that_goes_on_with_a_session_that_is_no_more_is_told_once() {
    let mut play = Play::begin();
    play.port.come();
    play.tell_all();
    for _ in 0..3 {
        play.port.say(PING);
        play.settle().await;
    }
    assert_eq!(play.port.heard(), NO_SESSION);
    let ready = play.say_hello();
    play.settle().await;
    assert!(play.has_heard(&ready));
}

#[tokio::test(start_paused = true)]
async fn a_host_that_has_fallen_silent_loses_its_session_even_if_it_reads_nothing() {
    for reads in [0, 20, usize::MAX] {
        let mut play = Play::begin();
        play.serve_one().await;
        play.port.stop_reading_after(reads);
        play.port.say(PING);
        sleep(PATIENCE * 9 / 10).await;
        assert_eq!(play.sessions(), 1);
        sleep(PATIENCE * 3 / 10).await;
        assert_eq!(play.sessions(), 0, "of a host that reads {reads} bytes");
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_host_that_answers_pings_keeps_its_session() {
    let mut play = Play::begin();
    play.serve_one().await;
    for _ in 0..20 {
        sleep(PATIENCE / 3).await;
        play.port.say(PONG);
    }
    assert_eq!(play.sessions(), 1);
    let pings = play.port.heard().windows(5).filter(|window| *window == [0, 0, 8, 6, 0]).count();
    assert!(pings >= 1, "{pings} pings");
}
