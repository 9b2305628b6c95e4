//! Lets a person edit a body in their editor, in a file that nobody else can read.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use inlet_domain::Entropy;

use crate::entropy::SystemEntropy;
use crate::environment::Environment;
use crate::exit::{Exit, Failure};

const REMEDY: &str = "nothing was sent; set VISUAL or EDITOR to an editor that waits until you are done";

/// A body while it is edited. The file goes when this is dropped, unless it was kept.
pub(super) struct Draft {
    path: PathBuf,
    kept: bool,
}

impl Draft {
    /// Writes the body into a file of its own.
    pub(super) fn write(body: &[u8]) -> Result<Self, Failure> {
        let path = std::env::temp_dir().join(format!("inlet-trigger-{}.json", SystemEntropy.id()));
        let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let draft = Self { path, kept: false };
        opened.and_then(|mut file| file.write_all(body)).map_err(|error| draft.trouble("write", &error))?;
        Ok(draft)
    }

    /// Opens the person's editor, waits until it is closed, and reads what was saved.
    pub(super) fn edit(&self, environment: &Environment) -> Result<Vec<u8>, Failure> {
        let editor = ["VISUAL", "EDITOR"].iter().find_map(|name| environment.get(name)).unwrap_or("vi");
        // By the shell, because people set editors with arguments, as in `code --wait`.
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(format!("{editor} \"$1\"")).arg("sh").arg(&self.path);
        match shell.status() {
            Ok(status) if status.success() => {}
            Ok(status) => {
                let message = format!("the editor `{editor}` ended with {status}");
                return Err(Failure::new(Exit::File, message, REMEDY));
            }
            Err(error) => return Err(Failure::new(Exit::File, format!("cannot run `sh`: {error}"), REMEDY)),
        }
        std::fs::read(&self.path).map_err(|error| self.trouble("read", &error))
    }

    /// Leaves the file where it is, and tells where that is.
    pub(super) fn keep(mut self) -> PathBuf {
        self.kept = true;
        self.path.clone()
    }

    fn trouble(&self, what: &str, error: &std::io::Error) -> Failure {
        let message = format!("cannot {what} the draft `{}`: {error}", self.path.display());
        Failure::new(Exit::File, message, "nothing was sent; look at the folder for temporary files")
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.kept {
            // It may be gone already, which is what is wanted.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Refuses what is no longer JSON; the draft stays, so that no work is lost.
pub(super) fn check(body: &[u8], draft: Draft) -> Result<(), Failure> {
    let Err(error) = serde_json::from_slice::<serde::de::IgnoredAny>(body) else { return Ok(()) };
    let path = draft.keep();
    let message = format!("what you saved is not JSON: {error}");
    Err(Failure::new(Exit::Usage, message, remedy(&path)))
}

fn remedy(path: &Path) -> String {
    let path = path.display();
    format!("nothing was sent; it is in {path}: correct it, or send it as it is with --raw {path}")
}
