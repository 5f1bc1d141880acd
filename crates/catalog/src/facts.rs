//! Members without row numbers: what a manifest keeps, so that a catalog can be made again.

use std::collections::{BTreeSet, HashMap};

use chantal_model::{ItemKind, Sha256, hex};
use serde::{Deserialize, Serialize};

use crate::PARTS;
use crate::blobs::{LOOKUP, sha256};
use crate::connect::Catalog;
use crate::db::{self, Row};
use crate::error::CatalogError;
use crate::members::NewMember;
use crate::packages::NewPackage;
use crate::records::Unpacked;
use crate::revisions::{Revision, revision};
use crate::sql::{self, many};

/// Members read at a time.
const PAGE: i64 = 2000;

/// A member of a line, by value. Digests and keys are in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// What it is.
    pub kind: String,
    /// Its published path, or its key.
    pub path: String,
    /// The first revision that has it.
    pub added_in: i64,
    /// The first revision that has it no more; [`crate::FOREVER`] if there is none.
    pub removed_in: i64,
    /// Its bytes: SHA-256 and size.
    pub blob: Option<(String, u64)>,
    /// Its package.
    pub package: Option<PackageFact>,
    /// Digests of its records.
    pub records: [Option<String>; PARTS],
    /// Facts as JSON.
    pub attributes: Option<String>,
}

/// A package by value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the columns of `package`")]
pub struct PackageFact {
    pub format: String,
    pub description: String,
    pub name: String,
    pub version: String,
    pub version_key: String,
    pub arch: String,
    pub label: String,
    pub part_key: Option<String>,
    pub is_source: bool,
    pub build_time: Option<i64>,
    pub summary: String,
}

impl From<NewPackage> for PackageFact {
    fn from(package: NewPackage) -> Self {
        Self {
            format: package.format,
            description: hex(&package.description.0),
            name: package.name,
            version: package.version,
            version_key: hex(&package.version_key.0),
            arch: package.arch,
            label: package.label,
            part_key: package.part_key,
            is_source: package.is_source,
            build_time: package.build_time,
            summary: package.summary,
        }
    }
}

/// Records of one part in one frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackFact {
    /// The part.
    pub part: i64,
    /// The frame.
    pub body: Vec<u8>,
    /// How many records it was made of.
    pub count: i64,
    /// Digests and places of those that are there.
    pub records: Vec<(Sha256, i64)>,
}

impl PackFact {
    /// A pack of which all records count; their digests come from what is in it.
    ///
    /// # Errors
    /// [`CatalogError::Corrupt`] if it does not unpack.
    pub fn whole(part: i64, count: i64, body: Vec<u8>) -> Result<Self, CatalogError> {
        let unpacked = Unpacked::read(&body)?;
        let records = (0..count).map_while(|slot| Some((Sha256::of(unpacked.get(slot)?), slot)));
        let records = records.collect();
        Ok(Self {
            part,
            body,
            count,
            records,
        })
    }
}

/// A member that a revision has no more: kind, path and the revision that had it first.
pub type Closed = (String, String, i64);

/// A row of `member`, and the interval in which it is there.
#[derive(Clone, Debug)]
pub struct LineMember {
    /// Its row.
    pub id: i64,
    /// What it names.
    pub member: NewMember,
    /// The first revision that has it.
    pub added_in: i64,
    /// The first that has it no more.
    pub removed_in: i64,
}

/// The bytes of hexadecimal digits.
pub(crate) fn unhex(text: &str) -> Result<Vec<u8>, CatalogError> {
    let digit = |at: usize| text.get(at..at + 2).and_then(|two| u8::from_str_radix(two, 16).ok());
    let bytes: Option<Vec<u8>> = (0..text.len()).step_by(2).map(digit).collect();
    bytes.ok_or_else(|| CatalogError::corrupt(format!("{text:?} is no hexadecimal number")))
}

impl Catalog {
    /// Every revision of a line, retired ones included, oldest first.
    pub async fn all_revisions(&self, line: i64) -> Result<Vec<Revision>, CatalogError> {
        db::query(sql::ALL_REVISIONS)
            .bind(line)
            .read_all(&self.reader, revision)
            .await
    }

    /// Members of a line whose row comes after `after`, in the order of rows, at most a page.
    pub async fn line_members(&self, line: i64, after: i64) -> Result<Vec<LineMember>, CatalogError> {
        db::query(sql::LINE_MEMBERS)
            .bind(line)
            .bind(after)
            .bind(PAGE)
            .read_all(&self.reader, |row| {
                let kind: String = row.try_get(1)?;
                let kind = ItemKind::from_name(&kind)
                    .ok_or_else(|| CatalogError::corrupt(format!("a member of kind {kind:?}")))?;
                Ok(LineMember {
                    id: row.try_get(0)?,
                    member: NewMember {
                        kind,
                        path: row.try_get(2)?,
                        package_id: row.try_get(3)?,
                        blob_id: row.try_get(4)?,
                        records: [row.try_get(5)?, row.try_get(6)?, row.try_get(7)?],
                        attributes: row.try_get(8)?,
                    },
                    added_in: row.try_get(9)?,
                    removed_in: row.try_get(10)?,
                })
            })
            .await
    }

    /// Members by value, in order, and the packs that their records are in.
    pub async fn facts(&self, members: &[(NewMember, i64, i64)]) -> Result<(Vec<Fact>, BTreeSet<i64>), CatalogError> {
        let ids = |of: fn(&NewMember) -> Option<i64>| -> Vec<i64> {
            let ids: BTreeSet<i64> = members.iter().filter_map(|(member, ..)| of(member)).collect();
            ids.into_iter().collect()
        };
        let packages = self.package_facts(&ids(|member| member.package_id)).await?;
        let blobs = self.blob_facts(&ids(|member| member.blob_id)).await?;
        let records: BTreeSet<i64> = members
            .iter()
            .flat_map(|(member, ..)| member.records)
            .flatten()
            .collect();
        let records = self.record_facts(&records.into_iter().collect::<Vec<_>>()).await?;
        let gone = |what: &str| CatalogError::corrupt(format!("{what} that a member names is gone"));
        let mut packs = BTreeSet::new();
        let facts = members.iter().map(|(member, added_in, removed_in)| {
            let mut digests = [const { None }; PARTS];
            for (digest, id) in digests.iter_mut().zip(member.records) {
                let Some(id) = id else { continue };
                let (found, pack) = records.get(&id).ok_or_else(|| gone("a record"))?;
                packs.insert(*pack);
                *digest = Some(found.clone());
            }
            Ok(Fact {
                kind: member.kind.name().to_owned(),
                path: member.path.clone(),
                added_in: *added_in,
                removed_in: *removed_in,
                blob: match member.blob_id {
                    Some(id) => Some(blobs.get(&id).cloned().ok_or_else(|| gone("a blob"))?),
                    None => None,
                },
                package: match member.package_id {
                    Some(id) => Some(packages.get(&id).cloned().ok_or_else(|| gone("a package"))?),
                    None => None,
                },
                records: digests,
                attributes: member.attributes.clone(),
            })
        });
        let facts = facts.collect::<Result<Vec<_>, CatalogError>>()?;
        Ok((facts, packs))
    }

    async fn package_facts(&self, ids: &[i64]) -> Result<HashMap<i64, PackageFact>, CatalogError> {
        let mut found = HashMap::with_capacity(ids.len());
        for chunk in ids.chunks(LOOKUP) {
            let mut query = db::among(many::PACKAGE_FACTS).persistent(false);
            for id in chunk {
                query = query.bind(id);
            }
            let read = |row: &Row<'_>| {
                let fact = PackageFact {
                    format: row.try_get(1)?,
                    description: hex(&row.try_get::<Vec<u8>>(2)?),
                    name: row.try_get(3)?,
                    version: row.try_get(4)?,
                    version_key: hex(&row.try_get::<Vec<u8>>(5)?),
                    arch: row.try_get(6)?,
                    label: row.try_get(7)?,
                    part_key: row.try_get(8)?,
                    is_source: row.try_get::<i64>(9)? != 0,
                    build_time: row.try_get(10)?,
                    summary: row.try_get(11)?,
                };
                Ok::<(i64, _), CatalogError>((row.try_get(0)?, fact))
            };
            found.extend(query.read_all(&self.reader, read).await?);
        }
        Ok(found)
    }

    async fn blob_facts(&self, ids: &[i64]) -> Result<HashMap<i64, (String, u64)>, CatalogError> {
        let mut found = HashMap::with_capacity(ids.len());
        for chunk in ids.chunks(LOOKUP) {
            let mut query = db::among_as::<(i64, Vec<u8>, i64)>(many::BLOB_FACTS).persistent(false);
            for id in chunk {
                query = query.bind(id);
            }
            for (id, name, size) in query.fetch_all(&self.reader).await? {
                found.insert(id, (hex(&name), size as u64));
            }
        }
        Ok(found)
    }

    async fn record_facts(&self, ids: &[i64]) -> Result<HashMap<i64, (String, i64)>, CatalogError> {
        let mut found = HashMap::with_capacity(ids.len());
        for chunk in ids.chunks(LOOKUP) {
            let mut query = db::among_as::<(i64, Vec<u8>, i64)>(many::RECORD_FACTS).persistent(false);
            for id in chunk {
                query = query.bind(id);
            }
            for (id, digest, pack) in query.fetch_all(&self.reader).await? {
                found.insert(id, (hex(&digest), pack));
            }
        }
        Ok(found)
    }

    /// A pack: its part, its frame and how many records it was made of.
    ///
    /// # Errors
    /// [`CatalogError::Corrupt`] if it is not there.
    pub async fn pack(&self, id: i64) -> Result<(i64, Vec<u8>, i64), CatalogError> {
        let pack = db::query_as(sql::PACK).bind(id).fetch_optional(&self.reader).await?;
        pack.ok_or_else(|| CatalogError::corrupt(format!("pack {id} is gone")))
    }

    /// The packs that records are in; each record is named once.
    ///
    /// # Errors
    /// [`CatalogError::Corrupt`] if a record is not there.
    pub async fn packs_of(&self, records: &[i64]) -> Result<BTreeSet<i64>, CatalogError> {
        let mut packs = BTreeSet::new();
        for chunk in records.chunks(LOOKUP) {
            let mut query = db::query_as::<(i64, i64)>(sql::list(many::RECORD_PACKS, chunk.len())).persistent(false);
            for id in chunk {
                query = query.bind(id);
            }
            let rows = query.fetch_all(&self.reader).await?;
            if rows.iter().map(|(_, count)| *count as usize).sum::<usize>() != chunk.len() {
                return Err(CatalogError::corrupt("a record that a member names is gone"));
            }
            packs.extend(rows.into_iter().map(|(pack, _)| pack));
        }
        Ok(packs)
    }

    /// Members by row: what closes when they leave.
    pub async fn closed(&self, ids: &[i64]) -> Result<Vec<Closed>, CatalogError> {
        let mut closed = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(LOOKUP) {
            let mut query = db::among_as::<Closed>(many::MEMBER_NAMES).persistent(false);
            for id in chunk {
                query = query.bind(id);
            }
            closed.extend(query.fetch_all(&self.reader).await?);
        }
        Ok(closed)
    }

    /// Whether any blob has a digest under another algorithm.
    pub async fn has_other_digests(&self) -> Result<bool, CatalogError> {
        let one = db::query_as::<(i64,)>(sql::ONE_OTHER_DIGEST)
            .fetch_optional(&self.reader)
            .await?;
        Ok(one.is_some())
    }

    /// Digests of blobs under other algorithms: name of the blob, algorithm and digest in hexadecimal. Only those of
    /// `wanted`.
    pub async fn other_digests(
        &self,
        wanted: &(dyn Fn(&Sha256) -> bool + Sync),
    ) -> Result<Vec<(String, String, String)>, CatalogError> {
        let mut found = Vec::new();
        let (mut algorithm, mut after) = (String::new(), Vec::new());
        loop {
            let rows: Vec<(String, Vec<u8>, Vec<u8>)> = db::query_as(sql::OTHER_DIGESTS)
                .bind(&algorithm)
                .bind(after.as_slice())
                .bind(PAGE)
                .fetch_all(&self.reader)
                .await?;
            let Some((last_algorithm, last, _)) = rows.last() else {
                return Ok(found);
            };
            (algorithm, after) = (last_algorithm.clone(), last.clone());
            for (algorithm, digest, name) in rows {
                if wanted(&sha256(&name)?) {
                    found.push((hex(&name), algorithm, hex(&digest)));
                }
            }
        }
    }
}
