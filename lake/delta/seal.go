package delta

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
)

// sealMagic begins the seal of our checkpoints: 16 bytes, then the SHA-256 of the whole file without
// the seal, both between the last page and the footer. Parquet readers go to pages and footer by their
// offsets and see nothing of it ("File format" of Apache Parquet leaves what lies between them open).
//
// Parquet's own checksums leave out headers and footer: one changed byte there can turn one state into
// another that looks as good, or ask a decompressor for more memory than there is. A checkpoint that
// only a listing finds has no checksum beside it, so it brings its own, checked before anything is
// decoded.
const sealMagic = "shitpost-seal-1\n"

const sealSize = len(sealMagic) + sha256.Size

// seal returns the finished Parquet file with its seal.
func seal(file []byte) []byte {
	at := footerStart(file)
	sum := sha256.Sum256(file)
	return bytes.Join([][]byte{file[:at], []byte(sealMagic), sum[:], file[at:]}, nil)
}

// checkSeal reports whether the file bears a seal, and an error when it does not fit the file.
func checkSeal(file []byte) (sealed bool, err error) {
	at := footerStart(file)
	if at < sealSize || string(file[at-sealSize:at-sha256.Size]) != sealMagic {
		return false, nil
	}
	h := sha256.New()
	_, _ = h.Write(file[:at-sealSize]) // a hash takes everything
	_, _ = h.Write(file[at:])
	if !bytes.Equal(h.Sum(nil), file[at-sha256.Size:at]) {
		return true, errors.New("its bytes are not those that were written")
	}
	return true, nil
}

// footerStart returns where the footer begins by the length that stands before the closing magic; -1
// when there is no room for it.
func footerStart(file []byte) int {
	end := len(file) - 8
	if end < 0 {
		return -1
	}
	size := int64(binary.LittleEndian.Uint32(file[end:]))
	if size > int64(end) {
		return -1
	}
	return end - int(size)
}
