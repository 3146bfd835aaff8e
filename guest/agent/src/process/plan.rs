//! From what a caller asks to what the kernel is told: checks a `ProcessSpec` and fills in the defaults.

use super::users::{User, Users};
use crate::api::identity::{Group, User as WantedUser};
use crate::api::{
    Identity, OutputPolicy, ProcessSpec, Resource as ApiResource, SpawnError, SpawnFailure, StdinMode,
};
use crate::errors::invalid;
use crate::sys::launch::Become;
use rustix::process::{Resource, Rlimit};
use rustix::thread::{Gid, Uid};
use std::collections::BTreeMap;
use std::ffi::CString;
use std::path::Path;
use std::time::Duration;
use tonic::Status;

/// The PATH of a guest that says no other.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The guest's own default environment.
const ENVIRONMENT_FILE: &str = "/etc/kelpie/environment";
const DEFAULT_TERM: &str = "xterm-256color";
const DEFAULT_GRACE: Duration = Duration::from_secs(2);
const DEFAULT_BUFFER: u32 = 256 * 1024;
const BUFFER_LIMITS: std::ops::RangeInclusive<u32> = 64 * 1024..=8 * 1024 * 1024;
const MAX_GROUPS: usize = 64;

/// Why a spec cannot be carried out.
#[derive(Debug)]
pub enum Refusal {
    /// The request breaks the API's rules.
    Invalid(Status),
    /// The guest has not what it names.
    Failure(SpawnFailure),
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Self {
        Self::Invalid(status)
    }
}

/// A checked spec.
pub struct Plan {
    pub programs: Vec<CString>,
    pub argv: Vec<CString>,
    pub env: Vec<CString>,
    pub cwd: CString,
    pub identity: Option<Become>,
    pub rlimits: Vec<(Resource, Rlimit)>,
    pub umask: u32,
    pub stdin_pipe: bool,
    pub buffer_bytes: usize,
    pub pause_unattached: bool,
    pub timeout: Option<Duration>,
    pub grace: Duration,
    pub orphan_timeout: Option<Duration>,
}

/// A failure without an errno.
#[must_use]
pub fn failure(error: SpawnError, message: String) -> SpawnFailure {
    SpawnFailure { error: error.into(), message, errno: String::new() }
}

/// Checks a spec against the API's rules and the guest's users.
///
/// # Errors
/// See `Refusal`.
pub fn plan(spec: &ProcessSpec, users: &Users) -> Result<Plan, Refusal> {
    let program = spec.argv.first().filter(|program| !program.is_empty());
    let program = program.ok_or_else(|| invalid("A process needs a program: argv is empty"))?;
    let (user, identity) = identity(spec.identity.as_ref(), users)?;
    let env = environment(spec, &user)?;
    let path = env.get("PATH").map_or(DEFAULT_PATH, String::as_str);
    let programs = candidates(program, path);
    let cwd = match spec.cwd.as_str() {
        "" if Path::new(&user.home).is_dir() => user.home.as_str(),
        "" => "/",
        cwd if cwd.starts_with('/') => cwd,
        cwd => return Err(invalid(format!("cwd must be an absolute path: {cwd}")).into()),
    };
    let buffer = if spec.output_buffer_bytes == 0 { DEFAULT_BUFFER } else { spec.output_buffer_bytes };
    if !BUFFER_LIMITS.contains(&buffer) {
        return Err(invalid(format!("output_buffer_bytes must be {BUFFER_LIMITS:?}: {buffer}")).into());
    }
    let umask = spec.umask.unwrap_or(0o022);
    if umask > 0o777 {
        return Err(invalid(format!("umask must be at most 0777: {umask:#o}")).into());
    }
    Ok(Plan {
        programs: programs.into_iter().map(|path| c_string("argv", path)).collect::<Result<_, _>>()?,
        argv: spec.argv.iter().map(|arg| c_string("argv", arg.clone())).collect::<Result<_, _>>()?,
        cwd: c_string("cwd", cwd.to_owned())?,
        env: env
            .into_iter()
            .map(|(name, value)| c_string("env", format!("{name}={value}")))
            .collect::<Result<_, _>>()?,
        identity,
        rlimits: rlimits(spec)?,
        umask,
        stdin_pipe: stdin_pipe(spec)?,
        buffer_bytes: buffer as usize,
        pause_unattached: pause_unattached(spec)?,
        timeout: milliseconds(spec.timeout_ms),
        grace: spec.kill_grace_ms.map_or(DEFAULT_GRACE, |ms| Duration::from_millis(ms.into())),
        orphan_timeout: milliseconds(spec.orphan_timeout_ms.into()),
    })
}

fn milliseconds(ms: u64) -> Option<Duration> {
    (ms > 0).then(|| Duration::from_millis(ms))
}

fn c_string(what: &str, text: String) -> Result<CString, Status> {
    CString::new(text).map_err(|_| invalid(format!("{what} has a NUL byte in it")))
}

fn stdin_pipe(spec: &ProcessSpec) -> Result<bool, Status> {
    match StdinMode::try_from(spec.stdin) {
        Ok(StdinMode::Unspecified | StdinMode::Empty) => Ok(false),
        Ok(StdinMode::Pipe) => Ok(true),
        Err(_) => Err(invalid(format!("stdin is of an unknown mode: {}", spec.stdin))),
    }
}

fn pause_unattached(spec: &ProcessSpec) -> Result<bool, Status> {
    match OutputPolicy::try_from(spec.output_policy) {
        Ok(OutputPolicy::Unspecified | OutputPolicy::DropOldest) => Ok(false),
        Ok(OutputPolicy::Pause) => Ok(true),
        Err(_) => Err(invalid(format!("output_policy is unknown: {}", spec.output_policy))),
    }
}

/// Where execvp would look for the program.
fn candidates(program: &str, path: &str) -> Vec<String> {
    if program.contains('/') {
        return vec![program.to_owned()];
    }
    let join = |directory: &str| match directory {
        "" => program.to_owned(),
        directory => format!("{}/{program}", directory.trim_end_matches('/')),
    };
    path.split(':').map(join).collect()
}

/// Who the process is, and whom it must become; the latter is absent for an agent that is already it.
fn identity(wanted: Option<&Identity>, users: &Users) -> Result<(User, Option<Become>), Refusal> {
    let own_uid = rustix::process::geteuid().as_raw();
    let wanted_user = wanted.and_then(|identity| identity.user.as_ref());
    let user = match wanted_user {
        None => users.user_numbered(own_uid).unwrap_or_else(|| nameless(own_uid)),
        Some(WantedUser::Uid(uid)) => users.user_numbered(*uid).unwrap_or_else(|| nameless(*uid)),
        Some(WantedUser::UserName(name)) => users.user_named(name).ok_or_else(|| {
            Refusal::Failure(failure(
                SpawnError::NoSuchUser,
                format!("There is no user of this name: {name}"),
            ))
        })?,
    };
    let gid = match wanted.and_then(|identity| identity.group.as_ref()) {
        None => user.gid,
        Some(Group::Gid(gid)) => *gid,
        Some(Group::GroupName(name)) => users.group_named(name).ok_or_else(|| {
            Refusal::Failure(failure(
                SpawnError::NoSuchGroup,
                format!("There is no group of this name: {name}"),
            ))
        })?,
    };
    let mut groups = wanted.map(|identity| identity.supplementary_gids.clone()).unwrap_or_default();
    if groups.len() > MAX_GROUPS {
        return Err(invalid(format!(
            "At most {MAX_GROUPS} supplementary groups are allowed: {}",
            groups.len()
        ))
        .into());
    }
    if matches!(wanted_user, Some(WantedUser::UserName(_))) {
        groups.extend(users.groups_of(&user.name));
    }
    if own_uid != 0 && user.uid == own_uid && gid == rustix::process::getegid().as_raw() && groups.is_empty()
    {
        return Ok((user, None));
    }
    // All ones means "no change" to the kernel, which would leave the process root.
    if user.uid == u32::MAX || gid == u32::MAX || groups.contains(&u32::MAX) {
        return Err(invalid("A user or group number must be below 2^32 - 1").into());
    }
    let become_ = Become {
        uid: Uid::from_raw(user.uid),
        gid: Gid::from_raw(gid),
        groups: groups.into_iter().map(Gid::from_raw).collect(),
    };
    Ok((user, Some(become_)))
}

fn nameless(uid: u32) -> User {
    User { name: uid.to_string(), uid, gid: uid, home: "/".to_owned(), shell: "/bin/sh".to_owned() }
}

fn environment(spec: &ProcessSpec, user: &User) -> Result<BTreeMap<String, String>, Status> {
    let mut env = BTreeMap::new();
    if !spec.clear_env {
        let mut default = |name: &str, value: &str| env.insert(name.to_owned(), value.to_owned());
        default("PATH", DEFAULT_PATH);
        default("HOME", &user.home);
        default("USER", &user.name);
        default("LOGNAME", &user.name);
        default("SHELL", if user.shell.is_empty() { "/bin/sh" } else { &user.shell });
        if let Some(terminal) = &spec.terminal {
            default("TERM", if terminal.term.is_empty() { DEFAULT_TERM } else { &terminal.term });
        }
        env.extend(parse_environment(&std::fs::read_to_string(ENVIRONMENT_FILE).unwrap_or_default()));
    }
    for (name, value) in &spec.env {
        if name.is_empty() || name.contains('=') {
            return Err(invalid(format!("A variable's name must not be empty nor have a '=': {name:?}")));
        }
        env.insert(name.clone(), value.clone());
    }
    Ok(env)
}

/// Lines of `NAME=value`, with empty lines and lines that start with `#` between them.
fn parse_environment(text: &str) -> impl Iterator<Item = (String, String)> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .filter(|(name, _)| !name.is_empty())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
}

fn rlimits(spec: &ProcessSpec) -> Result<Vec<(Resource, Rlimit)>, Status> {
    let mut seen = Vec::new();
    for limit in &spec.rlimits {
        let resource = match ApiResource::try_from(limit.resource) {
            Ok(ApiResource::Cpu) => Resource::Cpu,
            Ok(ApiResource::FileSize) => Resource::Fsize,
            Ok(ApiResource::Data) => Resource::Data,
            Ok(ApiResource::Stack) => Resource::Stack,
            Ok(ApiResource::Core) => Resource::Core,
            Ok(ApiResource::Processes) => Resource::Nproc,
            Ok(ApiResource::OpenFiles) => Resource::Nofile,
            Ok(ApiResource::LockedMemory) => Resource::Memlock,
            Ok(ApiResource::AddressSpace) => Resource::As,
            Ok(ApiResource::Unspecified) | Err(_) => {
                return Err(invalid(format!("rlimits has an unknown resource: {}", limit.resource)));
            }
        };
        if seen.iter().any(|(other, _)| *other == resource) {
            return Err(invalid(format!("rlimits has a resource twice: {resource:?}")));
        }
        if limit.soft > limit.hard {
            return Err(invalid(format!("The soft limit of {resource:?} is above the hard one")));
        }
        let finite = |value: u64| (value != u64::MAX).then_some(value);
        seen.push((resource, Rlimit { current: finite(limit.soft), maximum: finite(limit.hard) }));
    }
    Ok(seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(argv: &[&str]) -> ProcessSpec {
        ProcessSpec { argv: argv.iter().map(|arg| (*arg).to_owned()).collect(), ..ProcessSpec::default() }
    }

    #[test]
    fn a_program_without_a_slash_is_looked_up_in_the_path() {
        assert_eq!(candidates("sh", "/bin:/usr/bin/:"), ["/bin/sh", "/usr/bin/sh", "sh"]);
        assert_eq!(candidates("./sh", "/bin"), ["./sh"]);
    }

    #[test]
    fn an_environment_file_has_comments_and_values_with_equal_signs() {
        let pairs: Vec<_> = parse_environment("# c\n\nA=1\nB=x=y\n=no\nnothing\n").collect();
        assert_eq!(pairs, [("A".into(), "1".into()), ("B".into(), "x=y".into())]);
    }

    #[test]
    fn what_breaks_the_rules_is_invalid() {
        let broken = [
            spec(&[]),
            spec(&[""]),
            spec(&["a\0b"]),
            ProcessSpec { cwd: "relative".into(), ..spec(&["true"]) },
            ProcessSpec { stdin: 99, ..spec(&["true"]) },
            ProcessSpec { output_policy: 99, ..spec(&["true"]) },
            ProcessSpec { output_buffer_bytes: 1, ..spec(&["true"]) },
            ProcessSpec { umask: Some(0o1000), ..spec(&["true"]) },
            ProcessSpec { env: [("A=B".to_owned(), String::new())].into(), ..spec(&["true"]) },
            ProcessSpec {
                identity: Some(Identity { user: Some(WantedUser::Uid(u32::MAX)), ..Identity::default() }),
                ..spec(&["true"])
            },
        ];
        for spec in broken {
            assert!(matches!(plan(&spec, &Users::default()), Err(Refusal::Invalid(_))), "{spec:?}");
        }
    }
}
