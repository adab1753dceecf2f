//! The Git door, used by the real `git` client, over a real nats-server.

mod healing;
mod platform;
mod progress;
mod pushing;
mod racing;
mod refusing;
mod workdir;
