//! What a run gives up before it reads anything: writing elsewhere than where its outputs are, starting other programs,
//! connections and ports that it has no use for, calls of the system that it never makes, and core files.
//!
//! Landlock and seccomp hold for the thread that asks and for those that it starts, so this comes before all others. What a
//! kernel does not have is done without, and said.

use landlock::{
    ABI, AccessFs, AccessNet, BitFlags, NetPort, PathBeneath, PathFd, RestrictionStatus, Ruleset,
    RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError, RulesetStatus,
};
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch, apply_filter};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// What a run needs besides reading.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Needs {
    /// Folders that are written to, and everything in them.
    pub folders: Vec<PathBuf>,
    /// It starts another program (`journalctl`).
    pub executes: bool,
    /// TCP ports that it listens on; 0 for any.
    pub ports: Vec<u16>,
    /// It connects to receivers or brokers.
    pub connects: bool,
}

/// How far one of them is in force.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Force {
    /// As far as this program can use it.
    Full,
    /// As far as the kernel has it: an older one knows less.
    Partial,
    /// Not at all.
    None,
}

/// What is in force.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InForce {
    /// Files, programs, ports.
    pub landlock: Force,
    /// Calls of the system.
    pub seccomp: Force,
    /// No core files, and nobody else of the same user looks into memory or environment.
    pub undumpable: Force,
}

static IN_FORCE: OnceLock<InForce> = OnceLock::new();

impl InForce {
    /// All rights are kept.
    pub const NOTHING: Self = Self { landlock: Force::None, seccomp: Force::None, undumpable: Force::None };

    /// Names and values, for metrics.
    pub fn parts(self) -> [(&'static str, Force); 3] {
        [("landlock", self.landlock), ("seccomp", self.seccomp), ("undumpable", self.undumpable)]
    }

    /// What this process has given up, if it has.
    pub fn of_process() -> Option<Self> {
        IN_FORCE.get().copied()
    }
}

impl fmt::Display for InForce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (name, force)) in self.parts().into_iter().enumerate() {
            let how = match force {
                Force::Full => "in force",
                Force::Partial => "in force as far as this kernel has it",
                Force::None => "not in force",
            };
            write!(f, "{}{name} {how}", if number > 0 { ", " } else { "" })?;
        }
        Ok(())
    }
}

/// No core files, and no look into memory or environment by others of the same user: what secrets are read from files stay
/// there. Programs that are started later have neither of it but the limit on core files.
pub fn hide() -> Force {
    // Units of systemd may forbid to set limits, and then set this one themselves.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    match set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        Ok(()) => Force::Full,
        Err(error) => {
            tracing::warn!("sandbox: core files cannot be forbidden: {error}");
            Force::None
        }
    }
}

/// Gives up all but what is needed, for this thread and those that it starts.
pub fn enter(needs: &Needs) -> InForce {
    let undumpable = hide();
    let landlock = restrict(needs).map_or_else(
        |error| {
            tracing::warn!("sandbox: Landlock cannot be used: {error}");
            Force::None
        },
        |status| match status.ruleset {
            RulesetStatus::FullyEnforced => Force::Full,
            RulesetStatus::PartiallyEnforced => Force::Partial,
            RulesetStatus::NotEnforced => Force::None,
        },
    );
    let seccomp = match filter(needs) {
        Ok(()) => Force::Full,
        Err(error) => {
            tracing::warn!("sandbox: seccomp cannot be used: {error}");
            Force::None
        }
    };
    let in_force = InForce { landlock, seccomp, undumpable };
    // The first counts: a process asks once.
    let _ = IN_FORCE.set(in_force);
    in_force
}

/// The newest version of Landlock that we make use of: truncation, and ports.
const FILES: ABI = ABI::V3;

/// What may be done where something is written.
fn writing() -> BitFlags<AccessFs> {
    AccessFs::from_write(FILES)
}

fn restrict(needs: &Needs) -> Result<RestrictionStatus, RulesetError> {
    let mut ruleset = Ruleset::default().handle_access(writing())?;
    if !needs.executes {
        ruleset = ruleset.handle_access(AccessFs::Execute)?;
    }
    ruleset = ruleset.handle_access(AccessNet::BindTcp)?;
    if !needs.connects {
        ruleset = ruleset.handle_access(AccessNet::ConnectTcp)?;
    }
    let mut created = ruleset.create()?;
    for folder in &needs.folders {
        created = allow(created, folder, writing())?;
    }
    // Where what another program says is thrown away.
    created = allow(created, Path::new("/dev/null"), AccessFs::WriteFile | AccessFs::Truncate)?;
    for port in &needs.ports {
        created = created.add_rule(NetPort::new(*port, AccessNet::BindTcp))?;
    }
    created.restrict_self()
}

/// Of what is not there nothing can be written; whoever tries says so.
fn allow(
    created: RulesetCreated,
    path: &Path,
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, RulesetError> {
    match PathFd::new(path) {
        Ok(folder) => created.add_rule(PathBeneath::new(folder, access)),
        Err(_) => Ok(created),
    }
}

/// Calls that no part of this program ever makes, and that whoever got into it would.
const NEVER: &[libc::c_long] = &[
    libc::SYS_acct,
    libc::SYS_add_key,
    libc::SYS_adjtimex,
    libc::SYS_bpf,
    libc::SYS_capset,
    libc::SYS_chroot,
    libc::SYS_clock_adjtime,
    libc::SYS_clock_settime,
    libc::SYS_delete_module,
    libc::SYS_fanotify_init,
    libc::SYS_finit_module,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fsopen,
    libc::SYS_fspick,
    libc::SYS_init_module,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_io_uring_setup,
    libc::SYS_kcmp,
    libc::SYS_kexec_load,
    libc::SYS_keyctl,
    libc::SYS_mknodat,
    libc::SYS_mount,
    libc::SYS_move_mount,
    libc::SYS_open_by_handle_at,
    libc::SYS_open_tree,
    libc::SYS_perf_event_open,
    libc::SYS_personality,
    libc::SYS_pidfd_getfd,
    libc::SYS_pivot_root,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_ptrace,
    libc::SYS_quotactl,
    libc::SYS_reboot,
    libc::SYS_request_key,
    libc::SYS_setdomainname,
    libc::SYS_sethostname,
    libc::SYS_setns,
    libc::SYS_settimeofday,
    libc::SYS_swapoff,
    libc::SYS_swapon,
    libc::SYS_umount2,
    libc::SYS_unshare,
    libc::SYS_userfaultfd,
    libc::SYS_vhangup,
];
/// The same, where no other program is started: that may want to be somebody else.
const NEVER_ALONE: &[libc::c_long] = &[
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_setfsgid,
    libc::SYS_setfsuid,
    libc::SYS_setgid,
    libc::SYS_setgroups,
    libc::SYS_setregid,
    libc::SYS_setresgid,
    libc::SYS_setresuid,
    libc::SYS_setreuid,
    libc::SYS_setuid,
];

fn filter(needs: &Needs) -> Result<(), seccompiler::Error> {
    apply_filter(&program(needs)?)
}

/// Each of them fails as if it were not allowed; everything else goes on as before.
fn program(needs: &Needs) -> Result<BpfProgram, seccompiler::Error> {
    let architecture: TargetArch = std::env::consts::ARCH.try_into()?;
    let alone = if needs.executes { &[][..] } else { NEVER_ALONE };
    let rules: BTreeMap<i64, _> = NEVER.iter().chain(alone).map(|&call| (call, Vec::new())).collect();
    let refused = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    Ok(SeccompFilter::new(rules, SeccompAction::Allow, refused, architecture)?.try_into()?)
}

/// The folder in which a file is, or will be, written to: behind links, for that is where it is made.
pub fn folder_of(path: &Path) -> PathBuf {
    /// Links behind links that are followed, as the system does.
    const LINKS_MAX: usize = 40;
    let mut path = path.to_owned();
    for _ in 0..LINKS_MAX {
        let Ok(target) = std::fs::read_link(&path) else { break };
        path = parent(&path).join(target);
    }
    parent(&path)
}

fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::Errno;
    use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
    use std::fs::{self, File};
    use std::io::{self, ErrorKind};
    use std::net::{TcpListener, TcpStream};
    use std::process::Command;
    use std::thread;

    /// Landlock and seccomp hold for the thread that asks, so each try has one of its own.
    fn inside(needs: Needs, tries: impl FnOnce(InForce) + Send + 'static) {
        let done = thread::spawn(move || {
            let landlock = restrict(&needs).unwrap();
            filter(&needs).unwrap();
            let landlock = match landlock.ruleset {
                RulesetStatus::FullyEnforced => Force::Full,
                RulesetStatus::PartiallyEnforced => Force::Partial,
                RulesetStatus::NotEnforced => Force::None,
            };
            tries(InForce { landlock, seccomp: Force::Full, undumpable: Force::None });
        });
        done.join().unwrap();
    }

    /// Whether something was refused, where the kernel can.
    fn refused<T>(force: Force, done: io::Result<T>) -> bool {
        match done {
            Ok(_) => force != Force::Full,
            Err(error) => error.kind() == ErrorKind::PermissionDenied,
        }
    }

    #[test]
    fn outputs_are_written_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let (ours, others) = (dir.path().join("ours"), dir.path().join("others"));
        fs::create_dir(&ours).unwrap();
        fs::create_dir(&others).unwrap();
        fs::write(others.join("log"), "a record").unwrap();
        let needs = Needs { folders: vec![ours.clone()], ..Needs::default() };
        inside(needs, move |in_force| {
            let force = in_force.landlock;
            fs::write(ours.join("alerts"), "an alert").unwrap();
            fs::rename(ours.join("alerts"), ours.join("alerts.1")).unwrap();
            fs::create_dir_all(ours.join("state/outbox")).unwrap();
            fs::remove_file(ours.join("alerts.1")).unwrap();
            fs::write("/dev/null", "nothing").unwrap();
            assert_eq!(fs::read_to_string(others.join("log")).unwrap(), "a record");
            assert!(refused(force, File::create(others.join("new"))));
            assert!(refused(force, File::options().append(true).open(others.join("log"))));
            assert!(refused(force, fs::remove_file(others.join("log"))));
            assert!(refused(force, fs::rename(others.join("log"), ours.join("log"))));
        });
    }

    #[test]
    fn no_other_program_is_started_unless_it_has_to_be() {
        inside(Needs::default(), |_| {
            let error = Command::new("/bin/true").status().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        });
        inside(Needs { executes: true, ..Needs::default() }, |_| {
            assert!(Command::new("/bin/true").status().unwrap().success());
        });
    }

    #[test]
    fn only_what_listens_and_connects_may() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        inside(Needs::default(), move |in_force| {
            assert!(refused(in_force.landlock, TcpListener::bind("127.0.0.1:0")));
            assert!(refused(in_force.landlock, TcpStream::connect(address)));
        });
        inside(Needs { ports: vec![0], connects: true, ..Needs::default() }, move |_| {
            assert!(TcpListener::bind("127.0.0.1:0").is_ok());
            assert!(TcpStream::connect(address).is_ok());
        });
    }

    #[test]
    fn calls_that_are_never_made_are_refused() {
        // Anybody may ask for a file that he has open himself.
        let ask = || {
            let process = pidfd_open(getpid(), PidfdFlags::empty())?;
            pidfd_getfd(process, 0, PidfdGetfdFlags::empty())
        };
        assert!(ask().is_ok());
        inside(Needs::default(), move |_| assert_eq!(ask().unwrap_err(), Errno::PERM));
    }

    #[test]
    fn the_folder_is_where_a_link_leads() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        std::os::unix::fs::symlink("elsewhere/alerts", dir.join("link")).unwrap();
        std::os::unix::fs::symlink("link", dir.join("again")).unwrap();
        for (name, folder) in
            [("alerts", dir.to_owned()), ("link", dir.join("elsewhere")), ("again", dir.join("elsewhere"))]
        {
            assert_eq!(folder_of(&dir.join(name)), folder, "{name}");
        }
        assert_eq!(folder_of(Path::new("alerts")), Path::new("."));
    }
}
