//! The effective configuration for people, without secrets.

use serde_json::{Value, json};

use crate::effective::{
    Auth, Config, Download, FeedKind, Filters, Keep, Notify, NotifyTarget, Proxy, Repository, Retention, Scheduled,
    Words,
};

impl Config {
    /// The effective values; secrets are references or stars.
    pub fn to_value(&self) -> Value {
        json!({
            "database": { "url": self.database.shown(), "echo": self.database.echo },
            "storage": {
                "base_path": self.storage.base_path,
                "pool_path": self.storage.pool_path,
                "published_path": self.storage.published_path,
                "temp_path": self.storage.temp_path,
                "link_mode": self.storage.link_mode,
                "durability": self.storage.durability,
            },
            "backup": { "directory": self.backup.directory, "keep_last": self.backup.keep_last },
            "download": { "bandwidth": self.bandwidth },
            "revisions": { "keep_last": self.revisions.keep_last, "keep_days": self.revisions.keep_days },
            "tasks": { "keep_days": self.task_days },
            "scheduler": {
                "cleanup": self.cleanup.as_ref().map(|schedule| schedule.cron.as_str()),
                "listen": self.listen.map(|address| address.to_string()),
                "lease_seconds": self.lease_seconds,
            },
            "metrics": { "textfile": self.textfile },
            "notify": self.notify.iter().map(notify).collect::<Vec<_>>(),
            "snapshots": {
                "keep_last": self.snapshots.keep_last,
                "keep_monthly": self.snapshots.keep_monthly,
                "keep_published": self.snapshots.keep_published,
            },
            "log": { "level": self.log.level, "format": self.log.format },
            "repositories": self.repositories.iter().map(Repository::to_value).collect::<Vec<_>>(),
        })
    }
}

impl Repository {
    /// The effective values; secrets are references or stars.
    pub fn to_value(&self) -> Value {
        json!({
            "id": self.id,
            "name": self.name,
            "type": self.r#type,
            "mode": self.mode,
            "feed": self.feed_of(FeedKind::Directory),
            "other_feeds": self.other_feeds.iter().map(|feed| shown(&feed.url)).collect::<Vec<_>>(),
            "mirrorlist": self.feed_of(FeedKind::Mirrorlist),
            "metalink": self.feed_of(FeedKind::Metalink),
            "enabled": self.enabled,
            "tags": self.tags,
            "auth": self.auth.as_ref().map(auth),
            "proxy": proxy(&self.proxy),
            "ssl": {
                "verify": self.ssl.verify,
                "ca_bundle": self.ssl.ca_bundle,
                "ca_cert": self.ssl.ca_cert.as_ref().map(|_| "(in the configuration)"),
                "client_cert": self.ssl.client_cert,
                "client_key": self.ssl.client_key,
            },
            "download": download(&self.download),
            "limits": { "metadata": self.limits.metadata_bytes, "package": self.limits.package_bytes,
                "ratio": self.limits.ratio, "files_per_package": self.limits.files_per_package },
            "filters": filters(&self.filters),
            "modules": words(&self.modules),
            "retention": retention(self.retention),
            "max_removed_percent": self.guards.max_removed_percent,
            "allow_rollback": self.guards.allow_rollback,
            "max_age": self.guards.max_age.map(|age| format!("{}s", age.as_secs())),
            "metadata": {
                "compression": self.metadata.compression.map_or("auto", chantal_model::Compression::name),
                "checksum": self.metadata.checksum.name(),
            },
            "publish": {
                "auto": self.publish.auto,
                "base_url": self.publish.base_url.as_ref().map(ToString::to_string),
                "metadata_grace": format!("{}s", self.publish.metadata_grace.as_secs()),
                "package_grace": format!("{}s", self.publish.package_grace.as_secs()),
            },
            "schedule": self.schedule.as_ref().map(schedule),
            "on_package_error": self.on_package_error,
            "allow_weak": self.weaknesses,
            "latest_path": self.latest_path.as_ref().map(ToString::to_string),
            "snapshots_path": self.snapshots_path.as_ref().map(ToString::to_string),
        })
    }
}

impl Repository {
    fn feed_of(&self, kind: FeedKind) -> Option<String> {
        let feed = self.feed.as_ref().filter(|_| self.feed_kind == kind);
        feed.map(shown)
    }
}

fn notify(notify: &Notify) -> Value {
    let on: Vec<_> = notify.on.iter().map(|on| on.word()).collect();
    let timeout = format!("{}s", notify.timeout.as_secs());
    match &notify.target {
        NotifyTarget::Command { words } => json!({ "on": on, "command": words, "timeout": timeout }),
        NotifyTarget::Webhook { headers, .. } => {
            let headers: serde_json::Map<String, Value> = headers
                .iter()
                .map(|(name, value)| (name.clone(), value.shown().into()))
                .collect();
            json!({ "on": on, "webhook": notify.shown(), "headers": headers, "timeout": timeout })
        }
    }
}

fn schedule(scheduled: &Scheduled) -> Value {
    json!({
        "cron": scheduled.schedule.cron.as_str(),
        "time_zone": scheduled.schedule.time_zone.iana_name(),
        "jitter_seconds": scheduled.schedule.jitter_seconds,
        "blackout": scheduled.schedule.blackout.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "snapshot_name_template": scheduled.snapshot.as_ref().map(ToString::to_string),
        "publish": scheduled.publish,
    })
}

fn filters(filters: &Filters) -> Value {
    json!({
        "patterns": { "include": filters.patterns_include, "exclude": filters.patterns_exclude },
        "architectures": words(&filters.architectures),
        "exclude_sources": filters.exclude_sources,
        "exclude_installation_tree": filters.exclude_trees,
        "size_bytes": { "min": filters.size_bytes.0, "max": filters.size_bytes.1 },
        "build_time": {
            "newer_than": filters.build_time.newer_than.map(time),
            "older_than": filters.build_time.older_than.map(time),
            "last_n_days": filters.build_time.last_n_days,
        },
        "fields": filters.fields.iter().map(|choice| (choice.field.clone(), words(&choice.words)))
            .collect::<serde_json::Map<String, Value>>(),
        "only_latest_n_versions": filters.latest,
    })
}

fn retention(retention: Retention) -> Value {
    let keep = match retention.keep {
        Keep::Listed => "listed".to_owned(),
        Keep::Newest(count) => format!("newest {count}"),
        Keep::All => "all".to_owned(),
    };
    json!({ "keep": keep, "deleted_packages": if retention.keep_deleted { "keep" } else { "remove" } })
}

fn words(words: &Words) -> Value {
    json!({ "include": words.include, "exclude": words.exclude })
}

fn time(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |time| time.to_string())
}

fn auth(auth: &Auth) -> Value {
    match auth {
        Auth::Basic { username, password } => {
            json!({ "type": "basic", "username": username, "password": password.shown() })
        }
        Auth::Bearer { token } => json!({ "type": "bearer", "token": token.shown() }),
        Auth::Custom { headers } => {
            let headers: serde_json::Map<String, Value> = headers
                .iter()
                .map(|(name, value)| (name.clone(), value.shown().into()))
                .collect();
            json!({ "type": "custom", "headers": headers })
        }
        Auth::ClientCert { cert_file, key_file } => {
            json!({ "type": "client_cert", "cert_file": cert_file, "key_file": key_file })
        }
        Auth::ClientCertDir { cert_dir } => json!({ "type": "client_cert", "cert_dir": cert_dir }),
    }
}

fn proxy(proxy: &Proxy) -> Value {
    json!({
        "enabled": proxy.enabled,
        "http_proxy": proxy.http_proxy.as_ref().map(shown),
        "https_proxy": proxy.https_proxy.as_ref().map(shown),
        "no_proxy": proxy.no_proxy,
        "username": proxy.username,
        "password": proxy.password.as_ref().map(crate::Secret::shown),
    })
}

fn download(download: &Download) -> Value {
    json!({
        "parallel": download.parallel,
        "per_host": download.per_host,
        "timeout": format!("{}s", download.timeout.as_secs()),
        "idle_timeout": format!("{}s", download.idle_timeout.as_secs()),
        "min_speed": download.min_speed,
        "bandwidth": download.bandwidth,
        "retry_attempts": download.retry_attempts,
    })
}

fn shown(url: &url::Url) -> String {
    chantal_model::masked(url.as_str())
}
