//! Finding codes of the store.

use crate::decision::Code;

macro_rules! codes {
    ($($ident:ident = $name:literal, $meaning:literal, $remedy:literal;)*) => {
        $(
            #[doc = $meaning]
            pub static $ident: Code = Code { name: $name, meaning: $meaning, remedy: $remedy };
        )*
        /// Every code of this room.
        pub static ALL: &[&Code] = &[$(&$ident),*];
    };
}

codes! {
    NOT_A_STORE = "store/not-a-store",
        "The directory is not a Sealock store.",
        "Make one with `sealock store init --store DIR`, or name the right one with --store or SEALOCK_STORE.";
    FOREIGN_DIRECTORY = "store/foreign-directory",
        "A store was to be made in a directory that holds something else.",
        "Choose an empty or new directory for `sealock store init`; a layout made elsewhere is taken in with `sealock import`.";
    NEWER_FORMAT = "store/newer-format",
        "The store was written by a newer version of Sealock.",
        "Use the newer `sealock` for this store, or rebuild it with this version: `sealock store init` elsewhere, then `sealock import` the old directory.";
    CATALOGUE = "store/catalogue-unreadable",
        "The store's catalogue is missing or cannot be read, so questions about names and evidence have no answer.",
        "Rebuild it on this side of the gap with `sealock store reindex --store DIR`.";
    BUSY = "store/busy",
        "Another process writes to the store.",
        "Wait for the process named to finish, then run the command again.";
    UNREADABLE = "store/unreadable",
        "The system refused to read or write a file.",
        "Check permissions, the disk and its free space, then run the command again; nothing half-written is visible.";
    NO_SPACE = "store/no-space",
        "The disk that holds the store is full.",
        "Make room on the store's disk (`sealock store fsck` names leftovers), then run the import again; nothing half-written is visible.";
    NOT_A_BUNDLE = "store/not-a-bundle",
        "The file or directory is neither an OCI image layout nor an archive of one.",
        "On the connected side, write an OCI layout, for example with `skopeo copy --all --preserve-digests docker://IMAGE oci:DIR:NAME`, and import that.";
    COMPRESSED = "store/compressed-archive",
        "The archive is compressed, and compressed archives are not read.",
        "Decompress it first (`zstd -d`, `gunzip`), then import the plain tar.";
    DOCKER_SAVE = "store/docker-save",
        "A docker-save archive carries no manifest digests, so no signature can be about anything in it.",
        "On the connected side, export an OCI layout instead: `skopeo copy --all --preserve-digests docker://IMAGE oci-archive:FILE:NAME`.";
    LAYOUT_VERSION = "store/layout-version",
        "The file `oci-layout` does not announce image layout version 1.0.0.",
        "Write the bundle again on the connected side with a tool that writes OCI image layout 1.0.0.";
    INDEX = "store/index-json",
        "The file `index.json` is not a sound OCI image index.",
        "Write the bundle again on the connected side; if it was sound there, the medium is damaged: copy it again.";
    AMBIGUOUS_NAME = "store/ambiguous-name",
        "The bundle says two different things about one name or one digest.",
        "Write the bundle again on the connected side, each name once.";
    DAMAGED = "store/damaged",
        "Bytes do not hash to the digest that names them.",
        "In a bundle: copy it from the connected side again. In the store: import the same content again with `sealock import --recheck`.";
    SIZE = "store/wrong-size",
        "Content has another size than its descriptor or the catalogue says.",
        "In a bundle: write it again on the connected side. In the store: import the same content again with `sealock import --recheck`.";
    MANIFEST = "store/manifest-refused",
        "A manifest cannot be read in exactly one way, so it was left out.",
        "Ask its author for a sound manifest; on the connected side `skopeo inspect --raw` shows it.";
    DEPTH = "store/nested-too-deep",
        "Indexes are nested deeper than is read.",
        "Write the bundle again on the connected side with the inner index as an entry of its own.";
    LIMIT = "store/limit",
        "The bundle is larger or longer in one respect than is read.",
        "Split the bundle on the connected side into several and import one after the other.";
    INCOMPLETE = "store/incomplete",
        "A manifest is held, but not everything that it points to.",
        "To run the image, bring the missing content from the connected side in another bundle; evidence can be judged without it.";
    BOGUS_FALLBACK = "store/bogus-fallback",
        "A referrers tag does not lead to evidence about the digest in its name.",
        "Nothing needs to be done: such a tag is not used as evidence. Its author is on the registry's side.";
    NAME_MOVED = "store/name-moved",
        "A name stands for another digest than before.",
        "If the move is not expected, compare both digests with `sealock tree`, and ask the connected side where the bundle came from.";
    CLAIMED = "store/claimed-name",
        "Nobody vouches for what the name stands for: it comes from a bundle or a layout that is not sealed.",
        "Refer to the image by digest, or carry it in a transfer that operators sealed: `sealock-mirror seal` on the connected side.";
    UNNAMED = "store/unnamed",
        "An entry of the bundle has no full name, so it is held by its digest only.",
        "Refer to it by digest, or write the bundle on the connected side with full names (host/repository:tag).";
    IGNORED = "store/ignored",
        "Files of the bundle that belong to nothing in it were not taken in.",
        "Nothing needs to be done.";
    TAR_NAME = "store/tar-name",
        "An entry of the archive has a name that does not belong in an OCI image layout.",
        "Write the archive again on the connected side from the layout's directory alone.";
    TAR_TYPE = "store/tar-entry-type",
        "An entry of the archive is a link, a device or another thing that is not a plain file.",
        "Write the archive again on the connected side without links.";
    TAR_DUPLICATE = "store/tar-duplicate",
        "The archive holds one name twice.",
        "Write the archive again on the connected side, each file once.";
    TAR_CONFLICT = "store/tar-conflict",
        "Two headers of the archive contradict each other about one entry.",
        "Write the archive again on the connected side as ustar: `tar --format=ustar`.";
    TAR_SPARSE = "store/tar-sparse",
        "The archive uses the sparse format.",
        "Write the archive again on the connected side without --sparse.";
    TAR_HEADER = "store/tar-header",
        "A header of the archive is malformed.",
        "The medium may be damaged: copy the archive from the connected side again.";
    TAR_TRAILING = "store/tar-trailing",
        "Data follows the end of the archive.",
        "Write the archive again on the connected side; concatenated archives are not read.";
    TAR_TRUNCATED = "store/tar-truncated",
        "The archive ends before its end marks.",
        "Copy the archive from the connected side again.";
    SPECIAL_FILE = "store/special-file",
        "A link, pipe, device or directory stands where a plain file belongs.",
        "Find out who put it there, remove it, then run `sealock store fsck` again.";
    STRAY_FILE = "store/stray-file",
        "A file that the store did not write lies in its directory.",
        "Find out who put it there, remove it, then run `sealock store fsck` again.";
    MISSING_BLOB = "store/missing-blob",
        "The catalogue lists content that is not there.",
        "Import the content again, or run `sealock store reindex` to accept the loss.";
    UNLISTED_BLOB = "store/unlisted-blob",
        "Sound content is there that nothing refers to, as an interrupted import leaves it.",
        "Nothing needs to be done: a later import of the same content takes it over.";
    LEFTOVER = "store/leftover",
        "An interrupted import left unfinished files in `ingest/`.",
        "Nothing needs to be done: the next import removes them.";
    CATALOGUE_DIFFERS = "store/catalogue-differs",
        "The catalogue says something else about a manifest than the manifest itself.",
        "Rebuild the catalogue with `sealock store reindex --store DIR`.";
    INDEX_DIFFERS = "store/index-differs",
        "The file `index.json` is not the one that the store wrote.",
        "Find out who edited it. `sealock store reindex` adopts its names as claimed; the next import overwrites it.";
    INDEX_BEHIND = "store/index-behind",
        "The file `index.json` is one import behind the catalogue, as an interrupted import leaves it.",
        "Nothing needs to be done: the next import writes it again.";
}
