//! Mounts what the host offers.

use crate::api::block_source::Device;
use crate::api::mount_request::Source;
use crate::api::{BlockSource, MountRequest};
use crate::errors::invalid;
use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_bind, mount_remount, unmount};
use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use tonic::Status;

const MAX_OPTIONS: usize = 1024;
/// Where ext4 keeps its magic number and its label, from the start of the device.
const EXT4_MAGIC: u64 = 1024 + 0x38;
const EXT4_LABEL: u64 = 1024 + 0x78;

/// A checked request.
pub struct Order {
    source: Source,
    target: PathBuf,
    flags: MountFlags,
    options: String,
}

/// Checks a request.
///
/// # Errors
/// `INVALID_ARGUMENT`.
pub fn order(request: MountRequest) -> Result<Order, Status> {
    let source = request.source.ok_or_else(|| invalid("source is missing"))?;
    if !request.target.starts_with('/') || request.target.contains('\0') {
        return Err(invalid(format!("target must be an absolute path: {:?}", request.target)));
    }
    if request.options.len() > MAX_OPTIONS || request.options.contains('\0') {
        return Err(invalid(format!("options has at most {MAX_OPTIONS} bytes and no NUL")));
    }
    let mut flags = MountFlags::empty();
    flags.set(MountFlags::RDONLY, request.read_only);
    flags.set(MountFlags::NOEXEC | MountFlags::NODEV | MountFlags::NOSUID, request.restricted);
    Ok(Order { source, target: request.target.into(), flags, options: request.options })
}

/// Mounts.
///
/// # Errors
/// The kernel's; ENODEV where there is no such device or file system.
pub fn carry_out(order: &Order) -> io::Result<()> {
    let Order { source, target, flags, options, .. } = order;
    fs::create_dir_all(target)?;
    let with = |first: &str| {
        [first, options].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(",")
    };
    let do_mount = |source: &str, kind: &str, options: String| -> io::Result<()> {
        let options = CString::new(options)?;
        Ok(mount(source, target, kind, *flags, Some(options.as_c_str()))?)
    };
    match source {
        Source::VirtiofsTag(tag) => do_mount(tag, "virtiofs", with("")),
        // The largest message that QEMU takes; the protocol's default would cut every copy into pieces of 8 KiB.
        Source::NinepTag(tag) => do_mount(tag, "9p", with("trans=virtio,version=9p2000.L,msize=512000")),
        Source::Block(block) => {
            let kind = if block.r#type.is_empty() { "ext4" } else { &block.r#type };
            let device = device(block)?;
            do_mount(&device.to_string_lossy(), kind, with(""))
        }
        Source::Tmpfs(tmpfs) => {
            let size =
                if tmpfs.size_bytes > 0 { format!("size={},", tmpfs.size_bytes) } else { String::new() };
            do_mount(
                "tmpfs",
                "tmpfs",
                with(&format!("{size}mode={:o}", tmpfs.mode.unwrap_or(0o1777) & 0o7777)),
            )
        }
        Source::BindPath(path) => {
            mount_bind(path, target)?;
            // A bind takes its flags only when it is mounted again.
            let remount = *flags | MountFlags::BIND;
            let result = if flags.is_empty() { Ok(()) } else { mount_remount(target, remount, c"") };
            if result.is_err() {
                let _ = unmount(target, UnmountFlags::DETACH);
            }
            Ok(result?)
        }
    }
}

/// Takes a mount away.
///
/// # Errors
/// The kernel's: EBUSY when it is used, EINVAL when it is none.
pub fn take_away(target: &Path, lazy: bool) -> io::Result<()> {
    let flags = if lazy { UnmountFlags::DETACH } else { UnmountFlags::empty() };
    Ok(unmount(target, flags | UnmountFlags::NOFOLLOW)?)
}

/// The device node of a block device.
fn device(block: &BlockSource) -> io::Result<PathBuf> {
    match block.device.as_ref().ok_or(Errno::INVAL)? {
        Device::Path(path) => Ok(path.into()),
        Device::Serial(serial) => find(|name| {
            let file = Path::new("/sys/block").join(name).join("serial");
            fs::read_to_string(file).is_ok_and(|text| text.trim() == serial)
        }),
        Device::Label(label) => find(|name| has_label(&Path::new("/dev").join(name), label)),
    }
}

fn find(wanted: impl Fn(&str) -> bool) -> io::Result<PathBuf> {
    let names =
        fs::read_dir("/sys/block")?.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| wanted(name)).collect();
    names.sort();
    let name = names.first().ok_or(Errno::NODEV)?;
    Ok(Path::new("/dev").join(name))
}

/// Whether a device has an ext4 file system of this label.
fn has_label(device: &Path, label: &str) -> bool {
    let read = || -> io::Result<bool> {
        let file = File::open(device)?;
        let (mut magic, mut name) = ([0; 2], [0; 16]);
        file.read_exact_at(&mut magic, EXT4_MAGIC)?;
        file.read_exact_at(&mut name, EXT4_LABEL)?;
        let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
        Ok(magic == [0x53, 0xef] && name == label.as_bytes())
    };
    read().unwrap_or(false)
}
