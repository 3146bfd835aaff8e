//! `FileService`: what comes over the wire, checked and handed on.

use super::blocking::run;
use super::change::{self, Attributes};
use super::info;
use super::list::Listing;
use super::place::{Name, Place};
use super::tar::{pack, unpack};
use super::watch::FileWatch;
use super::write::Writing;
use crate::api::file_service_server::FileService;
use crate::api::import_tar_request::Part as TarPart;
use crate::api::make_link_request::Target;
use crate::api::write_file_request::Part as WritePart;
use crate::api::{
    ExportTarRequest, ExportTarResponse, FilePath, ImportTarRequest, ImportTarResponse, ListDirectoryRequest,
    ListDirectoryResponse, MakeDirectoryRequest, MakeDirectoryResponse, MakeLinkRequest, MakeLinkResponse,
    ReadFileRequest, ReadFileResponse, ReadLinkRequest, ReadLinkResponse, RemoveFileRequest,
    RemoveFileResponse, RenameFileRequest, RenameFileResponse, RenameMode, SetAttributesRequest,
    SetAttributesResponse, StatFileRequest, StatFileResponse, WatchFilesRequest, WatchFilesResponse,
    WriteFileRequest, WriteFileResponse, WriteMode, read_file_response,
};
use crate::errors::{invalid, status};
use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, BoxStream, StreamExt};
use rustix::fs::{Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use tonic::{Request, Response, Status, Streaming};

/// The largest chunk of bytes in a stream.
pub const CHUNK: usize = 64 * 1024;
/// How much is read or written in one piece of work.
const WORK: usize = 256 * 1024;

/// How many entries an archive has at most where the caller says nothing.
const MAX_ENTRIES: u64 = 1_000_000;
/// How many paths a caller may leave out.
const MAX_EXCLUDED: usize = 1024;

/// The service.
#[derive(Default)]
pub struct Files;

type Answer<T> = Result<Response<T>, Status>;
type Answers<T> = BoxStream<'static, Result<T, Status>>;

#[tonic::async_trait]
impl FileService for Files {
    type ListDirectoryStream = Answers<ListDirectoryResponse>;
    type ReadFileStream = Answers<ReadFileResponse>;
    type ExportTarStream = Answers<ExportTarResponse>;
    type WatchFilesStream = Answers<WatchFilesResponse>;

    async fn stat_file(&self, request: Request<StatFileRequest>) -> Answer<StatFileResponse> {
        let StatFileRequest { path, no_follow } = request.into_inner();
        let place = Place::new(path)?;
        let file = run(about("look at", &place), move || {
            let follow = if no_follow { OFlags::NOFOLLOW } else { OFlags::empty() };
            info::of_open(place.open(OFlags::PATH | follow, Mode::empty())?, place.path())
        });
        Ok(Response::new(StatFileResponse { file: Some(file.await?) }))
    }

    async fn list_directory(
        &self,
        request: Request<ListDirectoryRequest>,
    ) -> Answer<Self::ListDirectoryStream> {
        let ListDirectoryRequest { path, depth } = request.into_inner();
        let depth = usize::try_from(depth.max(1)).ok().filter(|depth| *depth <= super::walk::MAX_DEPTH);
        let depth = depth.ok_or_else(|| invalid(format!("depth is at most {}", super::walk::MAX_DEPTH)))?;
        let place = Place::new(path)?;
        let what = about("list", &place);
        let listing = run(what.clone(), move || {
            Listing::new(place.open(OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?, depth)
        });
        let step = async |(mut listing, what): (Listing, String)| {
            let (files, listing) = run(what.clone(), move || Ok((listing.page()?, listing))).await?;
            let more = !files.is_empty();
            Ok(more.then_some((ListDirectoryResponse { files }, (listing, what))))
        };
        Ok(Response::new(stream::try_unfold((listing.await?, what), step).boxed()))
    }

    async fn make_directory(&self, request: Request<MakeDirectoryRequest>) -> Answer<MakeDirectoryResponse> {
        let MakeDirectoryRequest { path, parents, mode, owner } = request.into_inner();
        let place = Place::new(path)?;
        let mode = permissions(mode)?.unwrap_or(0o755);
        let what = about("make the directory", &place);
        run(what, move || change::make_directory(&place, parents, mode, owner)).await?;
        Ok(Response::new(MakeDirectoryResponse {}))
    }

    async fn remove_file(&self, request: Request<RemoveFileRequest>) -> Answer<RemoveFileResponse> {
        let RemoveFileRequest { path, recursive, missing_ok } = request.into_inner();
        let place = Place::new(path)?;
        let what = about("remove", &place);
        let removed = run(what, move || change::remove(&place, recursive, missing_ok)).await?;
        Ok(Response::new(RemoveFileResponse { removed }))
    }

    async fn rename_file(&self, request: Request<RenameFileRequest>) -> Answer<RenameFileResponse> {
        let RenameFileRequest { from, to, mode } = request.into_inner();
        let (from, to) = (Place::new(from)?, Place::new(to)?);
        let flags = match RenameMode::try_from(mode) {
            Ok(RenameMode::Unspecified | RenameMode::Replace) => RenameFlags::empty(),
            Ok(RenameMode::NoReplace) => RenameFlags::NOREPLACE,
            Ok(RenameMode::Exchange) => RenameFlags::EXCHANGE,
            Err(_) => return Err(invalid(format!("mode is unknown: {mode}"))),
        };
        run(about("rename", &from), move || change::rename(&from, &to, flags)).await?;
        Ok(Response::new(RenameFileResponse {}))
    }

    async fn set_attributes(&self, request: Request<SetAttributesRequest>) -> Answer<SetAttributesResponse> {
        let SetAttributesRequest { path, no_follow, mode, owner, modified_unix_ns } = request.into_inner();
        let place = Place::new(path)?;
        let attributes = Attributes { mode: permissions(mode)?, owner, modified_unix_ns };
        let what = about("change the attributes of", &place);
        let file = run(what, move || change::set_attributes(&place, no_follow, attributes)).await?;
        Ok(Response::new(SetAttributesResponse { file: Some(file) }))
    }

    async fn make_link(&self, request: Request<MakeLinkRequest>) -> Answer<MakeLinkResponse> {
        let MakeLinkRequest { path, target } = request.into_inner();
        let place = Place::new(path)?;
        let what = about("make the link", &place);
        match target.ok_or_else(|| invalid("target is missing"))? {
            Target::Symbolic(target) => run(what, move || change::make_symlink(&place, &target)).await?,
            Target::Hard(target) => {
                let target = Place::new(Some(target))?;
                run(what, move || change::make_hard_link(&place, &target)).await?;
            }
        }
        Ok(Response::new(MakeLinkResponse {}))
    }

    async fn read_link(&self, request: Request<ReadLinkRequest>) -> Answer<ReadLinkResponse> {
        let place = Place::new(request.into_inner().path)?;
        let target = run(about("read the link", &place), move || {
            let name = place.name()?;
            Ok(rustix::fs::readlinkat(&name.directory, &name.name, Vec::new())?)
        });
        let target = target.await?.to_string_lossy().into_owned();
        Ok(Response::new(ReadLinkResponse { target }))
    }

    async fn read_file(&self, request: Request<ReadFileRequest>) -> Answer<Self::ReadFileStream> {
        let ReadFileRequest { path, offset, length } = request.into_inner();
        let place = Place::new(path)?;
        let what = about("read", &place);
        let (info, file) = run(what.clone(), move || {
            // A named pipe without a writer must not hold up the open.
            let mut file = File::from(place.open(OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty())?);
            let info = info::of_open(&file, place.path())?;
            if !file.metadata()?.is_file() {
                return Err(rustix::io::Errno::ISDIR.into());
            }
            file.seek(SeekFrom::Start(offset))?;
            Ok((info, file))
        })
        .await?;
        let first = stream::iter([Ok(ReadFileResponse { part: Some(read_file_response::Part::File(info)) })]);
        let reading = Reading { file: file.take(length.unwrap_or(u64::MAX)), ready: Bytes::new(), what };
        let data = stream::try_unfold(reading, Reading::step).map(|data| {
            data.map(|data| ReadFileResponse { part: Some(read_file_response::Part::Data(data)) })
        });
        Ok(Response::new(first.chain(data).boxed()))
    }

    async fn write_file(&self, request: Request<Streaming<WriteFileRequest>>) -> Answer<WriteFileResponse> {
        let mut requests = request.into_inner();
        let Some(WriteFileRequest { part: Some(WritePart::Open(open)) }) = requests.message().await? else {
            return Err(invalid("The first request of WriteFile must be open"));
        };
        let mode =
            WriteMode::try_from(open.mode).map_err(|_| invalid(format!("mode is unknown: {}", open.mode)))?;
        permissions(open.permissions)?;
        let place = Place::new(open.path.clone())?;
        let what = about("write", &place);
        let size = open.size_bytes;
        let mut writing = run(what.clone(), move || Writing::open(place, mode, &open)).await?;
        let mut going = true;
        while going {
            let chunks;
            (chunks, going) = gather(&mut requests).await?;
            writing = run(what.clone(), move || writing.write(&chunks).map(|()| writing)).await?;
            if size.is_some_and(|size| writing.written() > size) {
                break;
            }
        }
        let written_bytes = writing.written();
        if let Some(size) = size.filter(|size| *size != written_bytes) {
            return Err(invalid(format!("size_bytes is {size}: {written_bytes} came")));
        }
        let file = run(what, move || writing.finish()).await?;
        Ok(Response::new(WriteFileResponse { written_bytes, file: Some(file) }))
    }

    async fn import_tar(&self, request: Request<Streaming<ImportTarRequest>>) -> Answer<ImportTarResponse> {
        let mut requests = request.into_inner();
        let Some(ImportTarRequest { part: Some(TarPart::Open(open)) }) = requests.message().await? else {
            return Err(invalid("The first request of ImportTar must be open"));
        };
        let place = Place::new(Some(FilePath { path: open.root.clone(), root: String::new() }))?;
        let what = about("unpack to", &place);
        let options = unpack::Options {
            owner: open.owner,
            no_replace: open.no_replace,
            max_entries: if open.max_entries == 0 { MAX_ENTRIES } else { open.max_entries },
            max_bytes: open.max_bytes,
        };
        let root =
            run(what.clone(), move || place.open(OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())).await?;
        let mut unpacker = unpack::Unpacker::new(root, &options);
        let mut going = true;
        while going {
            let chunks;
            (chunks, going) = gather(&mut requests).await?;
            let work = move || {
                let result = chunks.iter().try_for_each(|chunk| unpacker.push(chunk));
                Ok(result.map(|()| unpacker))
            };
            unpacker = run(what.clone(), work).await??;
        }
        let work = move || {
            let result = unpacker.finish().map(|()| unpacker.totals());
            if result.is_ok() && !open.no_sync {
                rustix::fs::syncfs(unpacker.root())?;
            }
            Ok(result)
        };
        let (entries, content_bytes) = run(what, work).await??;
        Ok(Response::new(ImportTarResponse { entries, content_bytes }))
    }

    async fn export_tar(&self, request: Request<ExportTarRequest>) -> Answer<Self::ExportTarStream> {
        let ExportTarRequest { path, exclude } = request.into_inner();
        if exclude.len() > MAX_EXCLUDED {
            return Err(invalid(format!("exclude has at most {MAX_EXCLUDED} paths: {}", exclude.len())));
        }
        let exclude = exclude.into_iter().map(|path| path.trim_end_matches('/').into()).collect();
        let place = Place::new(path)?;
        let what = about("pack", &place);
        let packer =
            run(what.clone(), move || match place.open(OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()) {
                Err(error) if change::is(&error, Errno::NOTDIR) => {
                    let Name { directory, name } = place.name()?;
                    let name = std::ffi::CString::new(name.into_os_string().into_encoded_bytes())
                        .map_err(|_| Errno::INVAL)?;
                    Ok(pack::Packer::of_file(directory, name))
                }
                directory => pack::Packer::of_directory(directory?, exclude),
            });
        let packing = Packing { packer: packer.await?, ready: Bytes::new(), what };
        let data = stream::try_unfold(packing, Packing::step)
            .map(|data| data.map(|data| ExportTarResponse { data }));
        Ok(Response::new(data.boxed()))
    }

    async fn watch_files(&self, request: Request<WatchFilesRequest>) -> Answer<Self::WatchFilesStream> {
        let WatchFilesRequest { path, recursive } = request.into_inner();
        let place = Place::new(path)?;
        let what = about("watch", &place);
        // Needs the runtime's own thread: it registers a descriptor there.
        let watch = FileWatch::new(&place, recursive).map_err(|error| status(&what, &error))?;
        let step = async |(mut watch, what): (FileWatch, String)| {
            let change = watch.next().await.map_err(|error| status(&what, &error))?;
            Ok(Some((change, (watch, what))))
        };
        Ok(Response::new(stream::try_unfold((watch, what), step).boxed()))
    }
}

/// What an error will say was tried.
fn about(verb: &str, place: &Place) -> String {
    format!("{verb} {}", place.path().display())
}

/// Checks permission bits.
fn permissions(mode: Option<u32>) -> Result<Option<u32>, Status> {
    match mode {
        Some(mode) if mode & !info::PERMISSIONS != 0 => {
            Err(invalid(format!("Permissions are at most 07777: {mode:#o}")))
        }
        mode => Ok(mode),
    }
}

/// A file that is being read.
struct Reading {
    file: std::io::Take<File>,
    ready: Bytes,
    what: String,
}

impl Reading {
    async fn step(mut self) -> Result<Option<(Bytes, Self)>, Status> {
        if self.ready.is_empty() {
            let what = self.what.clone();
            self = run(what, move || {
                let mut buffer = BytesMut::zeroed(WORK);
                let count = self.file.read(&mut buffer)?;
                buffer.truncate(count);
                self.ready = buffer.freeze();
                Ok(self)
            })
            .await?;
        }
        let chunk = self.ready.split_to(self.ready.len().min(CHUNK));
        Ok((!chunk.is_empty()).then_some((chunk, self)))
    }
}

/// An archive that is being packed.
struct Packing {
    packer: pack::Packer,
    ready: Bytes,
    what: String,
}

impl Packing {
    async fn step(mut self) -> Result<Option<(Bytes, Self)>, Status> {
        if self.ready.is_empty() {
            let what = self.what.clone();
            self = run(what, move || {
                self.ready = self.packer.next(WORK)?.into();
                Ok(self)
            })
            .await?;
        }
        let chunk = self.ready.split_to(self.ready.len().min(CHUNK));
        Ok((!chunk.is_empty()).then_some((chunk, self)))
    }
}

/// A stream of a call that sends bytes.
trait Chunked {
    /// The bytes; none for anything else.
    fn data(self) -> Option<Bytes>;
}

impl Chunked for WriteFileRequest {
    fn data(self) -> Option<Bytes> {
        match self.part? {
            WritePart::Data(data) => Some(data),
            WritePart::Open(_) => None,
        }
    }
}

impl Chunked for ImportTarRequest {
    fn data(self) -> Option<Bytes> {
        match self.part? {
            TarPart::Data(data) => Some(data),
            TarPart::Open(_) => None,
        }
    }
}

/// The next chunks that are worth a piece of work, and whether more will come.
async fn gather<T: Chunked>(requests: &mut Streaming<T>) -> Result<(Vec<Bytes>, bool), Status> {
    let (mut chunks, mut total) = (Vec::new(), 0);
    while total < WORK {
        let Some(request) = requests.message().await? else {
            return Ok((chunks, false));
        };
        let data = request.data().ok_or_else(|| invalid("open comes first, and once; then comes data"))?;
        if data.len() > CHUNK {
            return Err(Status::resource_exhausted(format!(
                "A chunk has at most {CHUNK} bytes: {}",
                data.len()
            )));
        }
        // Small ones count for what it takes to keep them.
        total += data.len().max(1024);
        chunks.push(data);
    }
    Ok((chunks, true))
}
