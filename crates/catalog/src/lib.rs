//! SQL behind one interface: repositories, lines, revisions, members, snapshots, leases.
