//! Unix sockets that are listened on: their names in the file system, and who may connect.

use crate::world::UnixSocket;
use mio::net::UnixListener;
use rustix::fs::{Mode, chmod, chown};
use rustix::process::umask;
use rustix::thread::{Gid, Uid};
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// A listening socket, whose name is taken away with it.
pub(super) struct NamedListener {
    pub listener: UnixListener,
    name: SocketName,
}

/// The name of a socket in the file system, which goes with its owner.
pub(super) struct SocketName {
    path: PathBuf,
    owner: NameOwner,
}

/// The owner of a socket's name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum NameOwner {
    /// This process. Device and inode tell the socket from one of a newer instance that has taken the name
    /// over: that one stays.
    Us { device: u64, inode: u64 },
    /// An older process of this server, until this one serves.
    Predecessor,
    /// Another program, or a newer process of this server.
    Others,
}

impl NameOwner {
    /// The owner of a name that is ours, if it is there.
    fn us(path: &Path) -> NameOwner {
        path.symlink_metadata()
            .map_or(NameOwner::Others, |found| NameOwner::Us {
                device: found.dev(),
                inode: found.ino(),
            })
    }
}

impl SocketName {
    /// A name that this process has made.
    pub fn made(path: &Path) -> SocketName {
        SocketName {
            path: path.to_owned(),
            owner: NameOwner::us(path),
        }
    }

    /// A name that an older process of this server has made, and hands over.
    pub fn handed_over(path: &Path) -> SocketName {
        SocketName {
            path: path.to_owned(),
            owner: NameOwner::Predecessor,
        }
    }

    /// Makes a name ours that was an older process's.
    pub fn take(&mut self) {
        if self.owner == NameOwner::Predecessor {
            self.owner = NameOwner::us(&self.path);
        }
    }

    /// Leaves the name where it is, for another process.
    pub fn keep(&mut self) {
        self.owner = NameOwner::Others;
    }
}

impl Drop for SocketName {
    fn drop(&mut self) {
        let is_ours = matches!(self.owner, NameOwner::Us { .. });
        if is_ours && NameOwner::us(&self.path) == self.owner {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl NamedListener {
    /// A listener that another process has bound: the name is not ours to remove. Its path is that name; an
    /// abstract name begins with `@`, and there may be none.
    pub fn inherited(listener: std::os::unix::net::UnixListener) -> io::Result<NamedListener> {
        let address = listener.local_addr()?;
        let path = match (address.as_pathname(), address.as_abstract_name()) {
            (Some(path), _) => path.into(),
            (None, Some(name)) => format!("@{}", String::from_utf8_lossy(name)).into(),
            (None, None) => PathBuf::new(),
        };
        Ok(NamedListener {
            listener: UnixListener::from_std(listener),
            name: SocketName {
                path,
                owner: NameOwner::Others,
            },
        })
    }

    /// A listener that an older process of this server hands over with its name, which becomes ours.
    pub fn handed_over(
        listener: std::os::unix::net::UnixListener,
        socket: &UnixSocket,
    ) -> io::Result<NamedListener> {
        let named = NamedListener {
            listener: UnixListener::from_std(listener),
            name: SocketName::handed_over(&socket.path),
        };
        limit_access(socket)?;
        Ok(named)
    }

    /// The name in the file system, to take it over or to leave it to another process.
    pub fn name(&mut self) -> &mut SocketName {
        &mut self.name
    }

    /// The name in the file system.
    pub fn path(&self) -> &Path {
        &self.name.path
    }
}

/// Listens on a socket with the permissions and the owner that it shall have; at no time does it
/// have more permissions than that.
pub(super) fn bind(socket: &UnixSocket) -> io::Result<NamedListener> {
    let path = &socket.path;
    make_way(path)?;
    let listener = match socket.mode {
        None => UnixListener::bind(path)?,
        Some(mode) => {
            let before = umask(Mode::from_raw_mode(!mode & 0o777));
            let bound = UnixListener::bind(path);
            umask(before);
            bound?
        }
    };
    let named = NamedListener {
        listener,
        name: SocketName::made(path),
    };
    limit_access(socket)?;
    Ok(named)
}

/// Gives a socket's name the mode and the owner that it shall have.
fn limit_access(socket: &UnixSocket) -> io::Result<()> {
    if let Some(mode) = socket.mode {
        chmod(&socket.path, Mode::from_raw_mode(mode))?;
    }
    if let Some(owner) = &socket.owner {
        let (uid, gid) = (Uid::from_raw(owner.uid), Gid::from_raw(owner.gid));
        chown(&socket.path, Some(uid), Some(gid))?;
    }
    Ok(())
}

/// Removes a socket that nobody listens on any more, as a crash leaves one behind. One that is in use
/// stays, as binding will say, and so does everything that is no socket.
fn make_way(path: &Path) -> io::Result<()> {
    let Ok(found) = path.symlink_metadata() else {
        return Ok(());
    };
    if !found.file_type().is_socket() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    let refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    if std::os::unix::net::UnixStream::connect(path).is_err_and(refused) {
        std::fs::remove_file(path)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_newer_instance_stays() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("socket");
        let old = bind(&path.clone().into()).unwrap();
        std::fs::remove_file(&path).unwrap();
        let new = bind(&path.clone().into()).unwrap();
        drop(old);
        assert!(path.exists(), "the newer instance listens there");
        drop(new);
        assert!(!path.exists());
    }

    #[test]
    fn a_socket_has_the_mode_that_it_shall_have() {
        let place = tempfile::tempdir().unwrap();
        for mode in [0o600, 0o660, 0o666] {
            let path = place.path().join(format!("{mode:o}"));
            let socket = UnixSocket {
                mode: Some(mode),
                ..path.clone().into()
            };
            let _listener = bind(&socket).unwrap();
            assert_eq!(path.metadata().unwrap().mode() & 0o777, mode);
        }
    }

    #[test]
    fn a_socket_has_the_owner_that_it_shall_have() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("socket");
        let socket = UnixSocket {
            owner: Some(crate::world::User::find("65534:65533").unwrap()),
            ..path.clone().into()
        };
        let _listener = bind(&socket).unwrap();
        let found = path.metadata().unwrap();
        assert_eq!((found.uid(), found.gid()), (65534, 65533));
    }

    #[test]
    fn a_file_that_is_no_socket_stays() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("file");
        std::fs::write(&path, "mine").unwrap();
        let error = bind(&path.clone().into()).err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&path).unwrap(), b"mine");
    }
}
