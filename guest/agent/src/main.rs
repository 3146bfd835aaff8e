//! kelpie-guest: the agent in the guest. `kelpie-guest [--unix PATH] [--cgroup NAME] [--patience SECONDS]`.

use kelpie_guest::log;
use kelpie_guest::serve::{Options, serve};
use std::process::ExitCode;

/// Threads for what blocks: file work and starts of processes. More of it waits its turn.
const BLOCKING_THREADS: usize = 8;
/// What they need of a stack, at most.
const THREAD_STACK: usize = 256 * 1024;

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(message) => {
            log(format_args!("error {message}"));
            return ExitCode::from(2);
        }
    };
    // Under memory pressure a workload goes first: without the agent nobody would hear of it. Refused where the agent
    // is not root, and then it does not matter.
    let _ = std::fs::write("/proc/self/oom_score_adj", "-1000");
    // One thread serves all sessions: what takes long is either waiting, or done by the threads beside it.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_stack_size(THREAD_STACK)
        .build();
    match runtime.and_then(|runtime| runtime.block_on(serve(options))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log(format_args!("error {error}"));
            ExitCode::FAILURE
        }
    }
}
