//! The hooks' half: a process that Git starts for `pre-receive`, `proc-receive` and `post-receive`.
//!
//! Reads Git's words on standard input, hands them to the service over its socket, and writes what comes back.
//! Decides nothing. A push starts three of them, so it is plain threads and blocking calls: no runtime, no logging.

pub(crate) mod wire;

use std::io::{self, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use self::wire::{Frame, Hello};

/// The names under which Git calls us.
pub const NAMES: [&str; 3] = ["pre-receive", "proc-receive", "post-receive"];

/// Which socket to hand over to, relative to the repository. A full path might not fit into a socket's address.
pub(crate) const SOCKET: &str = "FLEETLOG_HOOK_SOCKET";

/// Which push this is, as the service knows it.
pub(crate) const PUSH: &str = "FLEETLOG_PUSH";

/// What the program does when Git calls it as the hook `name`.
pub fn main(name: &str) -> ExitCode {
    match hand_over(name) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("fleetlog: {error}");
            ExitCode::FAILURE
        }
    }
}

fn hand_over(name: &str) -> Result<u8, String> {
    let (Some(socket), Ok(push)) = (std::env::var_os(SOCKET), std::env::var(PUSH)) else {
        return Err(format!("`{name}` is a hook of the Git service and does nothing on its own"));
    };
    let hello = Hello {
        hook: name.to_owned(),
        push,
        quarantine: std::env::var_os("GIT_QUARANTINE_PATH").unwrap_or_default().into_vec(),
        options: options(),
    };
    let mut stream = UnixStream::connect(&socket)
        .map_err(|e| format!("the Git service is not there ({e}): nothing changed by this hook, try again"))?;
    stream.write_all(&hello.encode()).map_err(gone)?;

    let mut input = stream.try_clone().map_err(gone)?;
    // Ends with the process: Git may keep our input open until we have ended.
    std::thread::spawn(move || {
        // A service that has heard enough stops reading; what it says counts.
        let _ = io::copy(&mut io::stdin(), &mut input);
        let _ = input.shutdown(Shutdown::Write);
    });
    obey(stream)
}

/// Writes what the service sends, until it says how to end.
fn obey(stream: UnixStream) -> Result<u8, String> {
    let mut reader = BufReader::new(stream);
    let (mut stdout, mut stderr) = (io::stdout().lock(), io::stderr());
    loop {
        let mut head = [0; wire::HEAD];
        reader.read_exact(&mut head).map_err(gone)?;
        let (frame, length) = wire::decode_head(head).ok_or("the Git service speaks another protocol")?;
        let mut body = vec![0; length];
        reader.read_exact(&mut body).map_err(gone)?;
        // The pusher may have hung up: what was begun is finished all the same.
        let _ = match frame {
            Frame::Stdout => stdout.write_all(&body).and_then(|()| stdout.flush()),
            Frame::Stderr => stderr.write_all(&body),
            Frame::Exit => return Ok(body.first().copied().unwrap_or(1)),
        };
    }
}

fn gone(error: io::Error) -> String {
    format!("the Git service stopped in the middle of the push ({error}): outcome unknown, fetch to see")
}

/// The push options, as Git passes them on.
fn options() -> Vec<Vec<u8>> {
    let count = std::env::var("GIT_PUSH_OPTION_COUNT").ok().and_then(|count| count.parse().ok()).unwrap_or(0u32);
    (0..count).map(|n| std::env::var_os(format!("GIT_PUSH_OPTION_{n}")).unwrap_or_default().into_vec()).collect()
}
