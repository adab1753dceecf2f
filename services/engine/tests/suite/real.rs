//! The real engine's lab: its image, commands inside containers, and the clean-up.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use bollard::exec::{StartExecOptions, StartExecResults};
use bollard::models::ExecConfig;
use bollard::query_parameters::{
    CreateImageOptions, ListContainersOptions, ListImagesOptions, ListNetworksOptions, ListVolumesOptions,
    PushImageOptions, RemoveContainerOptions, RemoveImageOptions, RemoveVolumeOptions,
};
use engine::Docker;
use futures_util::{StreamExt, TryStreamExt};

use crate::lab::{TEST_LABEL, image};

const BUSYBOX: &str = "/bin/busybox";
const APPLETS: [&str; 10] = ["sh", "sleep", "cat", "test", "touch", "rm", "echo", "nslookup", "tail", "seq"];

pub struct Real {
    pub docker: Docker,
    /// The client library itself, for what the engine does not offer.
    client: bollard::Docker,
}

impl Real {
    /// Fails where Docker does not answer.
    pub async fn ready() -> Self {
        let docker = Docker::connect(None);
        if let Err(error) = docker.ping().await {
            panic!("these tests need a Docker engine: {error}; start one, or set DOCKER_HOST");
        }
        let client = bollard::Docker::connect_with_defaults().unwrap();
        let real = Self { docker, client };
        real.clean_what_dead_tests_left().await;
        real.make_images().await;
        real
    }

    /// Makes the images once; they stay.
    async fn make_images(&self) {
        // One test at a time, whichever process it is in.
        let lock = std::fs::File::create(std::env::temp_dir().join(format!("{TEST_LABEL}.lock"))).unwrap();
        let lock = tokio::task::spawn_blocking(move || lock.lock().map(|()| lock)).await.unwrap().unwrap();
        for (tag, changes) in [("plain", vec![]), ("checked", vec!["HEALTHCHECK CMD test -f /healthy".to_owned()])] {
            if self.docker.image(&image(tag)).await.unwrap().is_some() {
                continue;
            }
            let options = CreateImageOptions {
                from_src: Some("-".to_owned()),
                repo: Some(TEST_LABEL.to_owned()),
                tag: Some(tag.to_owned()),
                changes,
                ..Default::default()
            };
            let body = bollard::body_full(root_folder().into());
            self.client.create_image(Some(options), Some(body), None).try_collect::<Vec<_>>().await.unwrap();
        }
        drop(lock);
    }

    /// Makes an image, pushes it, and forgets it.
    pub async fn publish(&self, name: &str, content: &str) {
        let (repo, tag) = name.rsplit_once(':').unwrap();
        let options = CreateImageOptions {
            from_src: Some("-".to_owned()),
            repo: Some(repo.to_owned()),
            tag: Some(tag.to_owned()),
            changes: vec![format!("ENV CONTENT={content}")],
            ..Default::default()
        };
        let body = bollard::body_full(root_folder().into());
        self.client.create_image(Some(options), Some(body), None).try_collect::<Vec<_>>().await.unwrap();
        let options = PushImageOptions { tag: Some(tag.to_owned()), ..Default::default() };
        self.client.push_image(repo, Some(options), None).try_collect::<Vec<_>>().await.unwrap();
        let options = RemoveImageOptions { force: false, noprune: false, ..Default::default() };
        self.client.remove_image(name, Some(options), None).await.unwrap();
    }

    /// Runs a command in a container; none where it fails.
    pub async fn output(&self, container: &str, command: &[&str]) -> Option<String> {
        let config = ExecConfig {
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(command.iter().map(|word| (*word).to_owned()).collect()),
            ..Default::default()
        };
        let exec = self.client.create_exec(container, config).await.unwrap().id;
        let StartExecResults::Attached { mut output, .. } =
            self.client.start_exec(&exec, None::<StartExecOptions>).await.unwrap()
        else {
            panic!("the command {command:?} was not attached");
        };
        let mut text = String::new();
        while let Some(chunk) = output.next().await {
            text.push_str(&String::from_utf8_lossy(&chunk.unwrap().into_bytes()));
        }
        let code = self.client.inspect_exec(&exec).await.unwrap().exit_code;
        (code == Some(0)).then_some(text)
    }

    pub async fn pause(&self, container: &str) {
        self.client.pause_container(container).await.unwrap();
    }

    pub async fn shell(&self, container: &str, script: &str) {
        let output = self.output(container, &["sh", "-c", script]).await;
        assert!(output.is_some(), "`{script}` failed in {container}");
    }

    /// Like [`Real::shell`], for a script that may be killed by what it brings about.
    pub async fn shell_until_killed(&self, container: &str, script: &str) {
        let command = ["sh", "-c", script].map(str::to_owned).to_vec();
        let exec = ExecConfig { cmd: Some(command), ..Default::default() };
        let exec = self.client.create_exec(container, exec).await.unwrap().id;
        let options = StartExecOptions { detach: true, ..Default::default() };
        self.client.start_exec(&exec, Some(options)).await.unwrap();
    }

    /// Asks Docker's own name server in the container's network.
    pub async fn resolve(&self, container: &str, alias: &str) -> Option<IpAddr> {
        let text = self.output(container, &["nslookup", "-type=a", alias]).await?;
        // The first address is the name server's.
        let mut addresses = text.lines().filter_map(|line| line.split_once(':')?.1.trim().parse::<IpAddr>().ok());
        addresses.rfind(|address| !address.is_loopback())
    }

    /// Removes everything that carries this label; also volumes that Docker made without labels.
    pub async fn clean(&self, unique: &str) {
        let labelled = HashMap::from([("label".to_owned(), vec![format!("{TEST_LABEL}={unique}")])]);
        let options = ListContainersOptions { all: true, filters: Some(labelled.clone()), ..Default::default() };
        for container in self.client.list_containers(Some(options)).await.unwrap() {
            let options = RemoveContainerOptions { force: true, v: true, link: false };
            self.client.remove_container(&container.id.unwrap(), Some(options)).await.unwrap();
        }
        for filters in [labelled.clone(), HashMap::from([("name".to_owned(), vec![unique.to_owned()])])] {
            let found = self.client.list_volumes(Some(ListVolumesOptions { filters: Some(filters) })).await.unwrap();
            for volume in found.volumes.unwrap_or_default() {
                self.client.remove_volume(&volume.name, None::<RemoveVolumeOptions>).await.unwrap();
            }
        }
        let options = ListNetworksOptions { filters: Some(labelled) };
        for network in self.client.list_networks(Some(options)).await.unwrap() {
            self.client.remove_network(&network.id.unwrap()).await.unwrap();
        }
        let ours = |name: &String| name.contains(&format!("/{unique}/"));
        for image in self.client.list_images(None::<ListImagesOptions>).await.unwrap() {
            if image.repo_tags.iter().chain(&image.repo_digests).any(ours) {
                let options = RemoveImageOptions { force: true, noprune: false, ..Default::default() };
                self.client.remove_image(&image.id, Some(options), None).await.unwrap();
            }
        }
    }

    /// A label's value starts with the process id of its test: without the process nobody else cleans up.
    async fn clean_what_dead_tests_left(&self) {
        let labelled = HashMap::from([("label".to_owned(), vec![TEST_LABEL.to_owned()])]);
        let containers = ListContainersOptions { all: true, filters: Some(labelled.clone()), ..Default::default() };
        let mut found: Vec<_> =
            self.client.list_containers(Some(containers)).await.unwrap().into_iter().map(|it| it.labels).collect();
        let networks = ListNetworksOptions { filters: Some(labelled.clone()) };
        found.extend(self.client.list_networks(Some(networks)).await.unwrap().into_iter().map(|it| it.labels));
        let volumes = ListVolumesOptions { filters: Some(labelled) };
        let volumes = self.client.list_volumes(Some(volumes)).await.unwrap().volumes.unwrap_or_default();
        found.extend(volumes.into_iter().map(|it| Some(it.labels)));
        let mut left: Vec<String> =
            found.into_iter().flatten().filter_map(|mut labels| labels.remove(TEST_LABEL)).collect();
        left.sort();
        left.dedup();
        for unique in left {
            let process = unique.split('-').next().unwrap_or_default();
            if !Path::new("/proc").join(process).exists() {
                // Another test may be cleaning the same: what fails here is found gone by one of both.
                let _cleaned = tokio::time::timeout(Duration::from_secs(60), self.clean_quietly(&unique)).await;
            }
        }
    }

    async fn clean_quietly(&self, unique: &str) {
        use futures_util::FutureExt;
        let _outcome = std::panic::AssertUnwindSafe(self.clean(unique)).catch_unwind().await;
    }
}

/// A root folder with nothing but busybox, as a tar archive.
fn root_folder() -> Vec<u8> {
    let busybox = std::fs::read(BUSYBOX)
        .unwrap_or_else(|error| panic!("these tests need {BUSYBOX} of the package busybox-static: {error}"));
    let mut tar = Vec::new();
    for folder in ["bin/", "data/", "tmp/"] {
        tar.extend(tar_header(folder, b'5', "", 0));
    }
    tar.extend(tar_header("bin/busybox", b'0', "", busybox.len()));
    tar.extend(&busybox);
    tar.resize(tar.len().next_multiple_of(512), 0);
    for applet in APPLETS {
        tar.extend(tar_header(&format!("bin/{applet}"), b'2', "busybox", 0));
    }
    tar.resize(tar.len() + 1_024, 0);
    tar
}

/// One entry's header in the format of POSIX.1-1988 (ustar).
fn tar_header(path: &str, kind: u8, target: &str, size: usize) -> [u8; 512] {
    let mut header = [0_u8; 512];
    let mut put = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, path);
    put(100, "0000755\0");
    put(108, "0000000\0");
    put(116, "0000000\0");
    put(124, &format!("{size:011o}\0"));
    put(136, "00000000000\0");
    put(148, "        ");
    put(157, target);
    put(257, "ustar\x0000");
    header[156] = kind;
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}
