//! Tasks, on both databases.

use super::*;
use crate::tests::Bench;

fn new(subject: &str) -> NewTask {
    NewTask {
        verb: "repo sync".into(),
        subject: Some(subject.into()),
        asked_by: "person",
        at: 10,
    }
}

fn end(state: TaskState) -> TaskEnd {
    TaskEnd {
        state,
        at: 20,
        exit_code: 0,
        error: None,
        result: Some("{}".into()),
    }
}

fn line(number: i64) -> TaskLine {
    TaskLine {
        number,
        at: 15,
        level: "warn".into(),
        text: format!("line {number}"),
    }
}

async fn as_if(catalog: &Catalog, change: &'static str) {
    db::query(change).execute(&catalog.writer).await.unwrap();
}

#[tokio::test]
pub(crate) async fn a_task_is_seen_from_its_start_to_its_end_and_forgotten_later() {
    let bench = Bench::new().await;
    let catalog = &bench.catalog;
    let short = catalog
        .record_task(&new("a"), &end(TaskState::Succeeded), &[])
        .await
        .unwrap();
    let hold = catalog.begin_task(&new("b")).await.unwrap();
    assert!(catalog.tell_task(hold, Some("download"), 7, u64::MAX).await.unwrap());
    catalog.add_task_lines(hold.id, &[line(1), line(2)]).await.unwrap();
    let running = catalog.task(hold.id).await.unwrap().unwrap();
    assert_eq!(
        (running.state, running.step.as_deref()),
        (TaskState::Running, Some("download"))
    );
    assert_eq!((running.done, running.total), (7, i64::MAX));
    assert_eq!(running.worker.unwrap().1, i64::from(std::process::id()));
    assert_eq!(catalog.open_tasks().await.unwrap().len(), 1);

    assert!(
        catalog
            .end_task(hold, &end(TaskState::Partial), &[line(3)])
            .await
            .unwrap()
    );
    assert!(
        !catalog.end_task(hold, &end(TaskState::Failed), &[]).await.unwrap(),
        "twice"
    );
    let ended = catalog.task(hold.id).await.unwrap().unwrap();
    assert_eq!((ended.state, ended.finished_at), (TaskState::Partial, Some(20)));
    let lines = catalog.task_lines(hold.id, 1, 9).await.unwrap();
    assert_eq!(lines, [line(2), line(3)]);

    let of = async |filter: TaskFilter| -> Vec<i64> {
        let found = catalog.tasks(&TaskFilter { limit: 9, ..filter }).await.unwrap();
        found.into_iter().map(|task| task.id).collect()
    };
    assert_eq!(of(TaskFilter::default()).await, [hold.id, short]);
    let subject = "a".to_owned();
    assert_eq!(
        of(TaskFilter {
            subject,
            ..TaskFilter::default()
        })
        .await,
        [short]
    );
    let state = Some(TaskState::Partial);
    assert_eq!(
        of(TaskFilter {
            state,
            ..TaskFilter::default()
        })
        .await,
        [hold.id]
    );
}

#[tokio::test]
pub(crate) async fn tasks_that_ended_long_ago_are_forgotten_but_their_numbers_do_not_come_again() {
    let bench = Bench::new().await;
    let catalog = &bench.catalog;
    let mut ids = Vec::new();
    for subject in ["a", "b"] {
        let done = end(TaskState::Succeeded);
        ids.push(catalog.record_task(&new(subject), &done, &[line(1)]).await.unwrap());
    }
    assert_eq!(catalog.forget_tasks(20).await.unwrap(), 0);
    assert_eq!(
        catalog.forget_tasks(21).await.unwrap(),
        1,
        "the newest stays: numbers do not come again"
    );
    assert_eq!(catalog.task(ids[0]).await.unwrap(), None);
    assert!(catalog.task(ids[1]).await.unwrap().is_some());
}

#[tokio::test]
pub(crate) async fn a_queued_task_is_claimed_once_and_again_when_its_worker_is_gone_or_silent() {
    let bench = Bench::new().await;
    let catalog = &bench.catalog;
    let id = catalog.queue_task(&new("a"), "{}").await.unwrap();
    let same = catalog.queue_task(&new("a"), "{}").await.unwrap();
    let first = catalog.claim_task(id, 11).await.unwrap().unwrap();
    assert_eq!(catalog.claim_task(id, 11).await.unwrap(), None);
    assert_eq!(
        catalog.claim_task(same, 11).await.unwrap(),
        None,
        "two never work on the same"
    );
    assert!(catalog.bury_tasks(12).await.unwrap().is_empty(), "it lives");

    // A worker that is only paused is silent too.
    as_if(catalog, "UPDATE task SET expires_at = 1").await;
    assert_eq!(
        catalog.task(id).await.unwrap().unwrap().state,
        TaskState::Running,
        "on this host it lives"
    );
    assert_eq!(catalog.bury_tasks(12).await.unwrap(), [id]);
    let second = catalog.claim_task(id, 13).await.unwrap().unwrap();
    assert_eq!(second.fence, 2);
    assert!(!catalog.tell_task(first, None, 0, 0).await.unwrap());
    assert_eq!(catalog.task_is_wanted(first).await.unwrap(), None);
    assert!(
        !catalog
            .end_task(first, &end(TaskState::Failed), &[line(1)])
            .await
            .unwrap()
    );
    assert!(!catalog.queue_again(first).await.unwrap());
    assert!(catalog.task_lines(id, 0, 9).await.unwrap().is_empty());

    as_if(catalog, "UPDATE task SET pid_start = 1 WHERE state = 'running'").await;
    assert_eq!(catalog.task(id).await.unwrap().unwrap().state, TaskState::Killed);
    assert_eq!(
        catalog.bury_tasks(14).await.unwrap(),
        [id],
        "one that is gone is replaced at once"
    );
    as_if(catalog, "UPDATE task SET fence = 20, state = 'running', host = 'elsewhere', expires_at = 1 WHERE state = 'queued' AND id = 1").await;
    assert!(catalog.bury_tasks(15).await.unwrap().is_empty());
    let given_up = catalog.task(id).await.unwrap().unwrap();
    assert_eq!((given_up.state, given_up.finished_at), (TaskState::Killed, Some(15)));
    assert!(given_up.error.unwrap().contains("20 times"));
    assert!(catalog.claim_task(same, 16).await.unwrap().is_some());
}

#[tokio::test]
pub(crate) async fn a_persons_task_whose_process_is_gone_is_marked_as_killed() {
    let bench = Bench::new().await;
    let catalog = &bench.catalog;
    let hold = catalog.begin_task(&new("a")).await.unwrap();
    as_if(catalog, "UPDATE task SET expires_at = 1").await;
    catalog.bury_tasks(11).await.unwrap();
    assert_eq!(
        catalog.task_is_wanted(hold).await.unwrap(),
        Some(true),
        "it lives on this host"
    );
    as_if(catalog, "UPDATE task SET pid_start = 1").await;
    let killed = TaskFilter {
        state: Some(TaskState::Killed),
        limit: 9,
        ..TaskFilter::default()
    };
    assert_eq!(
        catalog.tasks(&killed).await.unwrap()[0].finished_at,
        None,
        "whoever looks sees it"
    );
    catalog.bury_tasks(12).await.unwrap();
    let buried = catalog.tasks(&killed).await.unwrap().remove(0);
    assert_eq!((buried.finished_at, buried.exit_code), (Some(12), Some(137)));
}

#[tokio::test]
pub(crate) async fn a_waiting_task_is_cancelled_at_once_and_a_running_one_is_asked() {
    let bench = Bench::new().await;
    let catalog = &bench.catalog;
    let id = catalog.queue_task(&new("a"), "{}").await.unwrap();
    assert_eq!(catalog.cancel_task(id, 11).await.unwrap(), Some(Cancelled::AtOnce));
    assert_eq!(catalog.cancel_task(id, 12).await.unwrap(), Some(Cancelled::Over));
    assert_eq!(catalog.cancel_task(99, 12).await.unwrap(), None);
    let cancelled = catalog.task(id).await.unwrap().unwrap();
    assert_eq!(
        (cancelled.state, cancelled.exit_code),
        (TaskState::Cancelled, Some(143))
    );

    let id = catalog.queue_task(&new("a"), "{}").await.unwrap();
    let hold = catalog.claim_task(id, 13).await.unwrap().unwrap();
    assert_eq!(catalog.task_is_wanted(hold).await.unwrap(), Some(true));
    assert_eq!(catalog.cancel_task(id, 14).await.unwrap(), Some(Cancelled::Asked));
    assert_eq!(catalog.task_is_wanted(hold).await.unwrap(), Some(false));
    assert!(!catalog.queue_again(hold).await.unwrap(), "nobody wants it any more");
    // Its worker may be gone before it looks.
    as_if(catalog, "UPDATE task SET pid_start = 1").await;
    assert!(catalog.bury_tasks(15).await.unwrap().is_empty());
    assert_eq!(catalog.task(id).await.unwrap().unwrap().state, TaskState::Cancelled);
}

#[tokio::test]
pub(crate) async fn leases_of_work_that_was_dropped_are_given_back() {
    let bench = Bench::new().await;
    let counted = bench.catalog.with_account();
    let (kept, _) = (
        counted.acquire("a", None).await.unwrap(),
        counted.acquire("b", None).await.unwrap(),
    );
    kept.release().await.unwrap();
    assert_eq!(bench.catalog.lease_names().await.unwrap(), ["b"]);
    counted.give_back_taken().await.unwrap();
    assert!(bench.catalog.lease_names().await.unwrap().is_empty());
    let next = bench.catalog.acquire("b", None).await.unwrap();
    next.check().await.unwrap();
    counted.give_back_taken().await.unwrap();
    next.check().await.unwrap();
}
