//! The key that signs resume tokens: configured, or made once beside what is stored, or a new one at each start.
//!
//! Who has it can take over any session that is kept, so nobody but the server's own user may read a key that was made here. A
//! configured one is somebody else's file: a container mounts it as it likes.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::random;
use crate::secret::{self, BYTES_MIN};

/// The key's file in the folder of a store.
const FILE: &str = "resume.key";
/// More is no key, whatever it is.
const FILE_BYTES_MAX: u64 = 64 << 10;

/// The key beside what is stored in a folder cannot be used. Each is one sentence with the next step.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    /// It can be neither read nor written.
    #[error("cannot {verb} the key that signs resume tokens, {}: {source}; check its permissions", path.display())]
    Unusable { verb: &'static str, path: PathBuf, source: io::Error },
    /// It is no secret.
    #[error(
        "everybody on this machine can read {0}, and who has read it can take over sessions; delete it, which ends the \
         sessions that are kept, or `chmod 600 {0}` if nobody has",
        path.display()
    )]
    Readable { path: PathBuf },
    /// It is half a file, or something else.
    #[error("{} is a file {why}; bring it back from a backup, or delete it, which ends the sessions that are kept", path.display())]
    Wrong { path: PathBuf, why: &'static str },
}

/// A key that nobody else ever has.
pub(super) fn random() -> Vec<u8> {
    random::bytes::<BYTES_MIN>().to_vec()
}

/// The key in a folder, if there is one.
pub(super) fn read(folder: &Path) -> Result<Option<Vec<u8>>, KeyError> {
    let path = folder.join(FILE);
    let unusable = |source| KeyError::Unusable { verb: "read", path: path.clone(), source };
    let file = match File::open(&path) {
        Ok(file) => file,
        // Whether there can be a folder is for others to say.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(unusable(error)),
    };
    if is_public(&file).map_err(unusable)? {
        return Err(KeyError::Readable { path });
    }
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX).read_to_end(&mut bytes).map_err(unusable)?;
    secret::checked(bytes).map(Some).map_err(|why| KeyError::Wrong { path, why })
}

/// The key in a folder; it is made if there is none. Only for whoever has locked the folder.
pub(super) fn read_or_make(folder: &Path) -> Result<Vec<u8>, KeyError> {
    match read(folder)? {
        Some(key) => Ok(key),
        None => {
            let key = STANDARD.encode(random::bytes::<BYTES_MIN>());
            let unusable = |source| KeyError::Unusable { verb: "write", path: folder.join(FILE), source };
            write(folder, &key).map_err(unusable)?;
            Ok(key.into_bytes())
        }
    }
}

/// Writes it whole or not at all, whatever happens meanwhile: with half a key nobody would come back.
fn write(folder: &Path, key: &str) -> io::Result<()> {
    let draft = folder.join("resume.key.new");
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    // Left by a start that did not get further.
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = options.open(&draft)?;
    file.write_all(key.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    fs::rename(&draft, folder.join(FILE))?;
    // The name lasts when the folder is synced. Windows opens no folders, and syncs names by itself.
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    Ok(())
}

/// Whether users can read it who are neither its own nor in its group: volumes of containers are shared with a group by design.
#[cfg(unix)]
fn is_public(file: &File) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt;
    Ok(file.metadata()?.permissions().mode() & 0o007 != 0)
}

#[cfg(not(unix))]
fn is_public(_: &File) -> io::Result<bool> {
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An empty folder.
    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("anteroom-key-{}-{name}", std::process::id()));
        drop(fs::remove_dir_all(&folder));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn it_is_made_once_and_stays() {
        let folder = folder("once");
        assert_eq!(read(&folder).unwrap(), None);
        // What a start left that got no further.
        fs::write(folder.join("resume.key.new"), "hal").unwrap();
        let made = read_or_make(&folder).unwrap();
        assert!(made.len() >= BYTES_MIN && made != random());
        assert_eq!((read_or_make(&folder).unwrap(), read(&folder).unwrap().unwrap()), (made.clone(), made));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(folder.join(FILE)).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing else is left behind");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn one_that_cannot_be_the_key_is_refused_and_stays_as_it_is() {
        let folder = folder("wrong");
        for (content, said) in
            [(&b""[..], "less than 32 bytes"), (b" 0123456789 \n", "less than 32 bytes"), (&[0xff; 32], "no text")]
        {
            fs::write(folder.join(FILE), content).unwrap();
            #[cfg(unix)]
            set_mode(&folder, 0o600);
            let refused = read_or_make(&folder).unwrap_err().to_string();
            assert!(refused.contains(said) && refused.contains("backup"), "{refused}");
            assert_eq!(fs::read(folder.join(FILE)).unwrap(), content);
        }
        fs::remove_dir_all(folder).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn one_that_others_can_read_is_refused() {
        let folder = folder("public");
        read_or_make(&folder).unwrap();
        for (mode, is_refused) in [(0o644, true), (0o604, true), (0o602, true), (0o660, false), (0o400, false)] {
            set_mode(&folder, mode);
            let read = read_or_make(&folder);
            assert_eq!(read.is_err(), is_refused, "{mode:o}: {read:?}");
            if let Err(error) = read {
                assert!(error.to_string().contains("chmod 600"), "{error}");
            }
        }
        fs::remove_dir_all(folder).unwrap();
    }

    #[cfg(unix)]
    fn set_mode(folder: &Path, mode: u32) {
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
        fs::set_permissions(folder.join(FILE), permissions).unwrap();
    }
}
