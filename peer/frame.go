package peer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"rookery/object"
)

// Protocol is the version that this node speaks, MinProtocol the oldest that it
// still reads. A release that raises Protocol to N keeps MinProtocol at N-1, so
// that a cluster can be upgraded node by node.
const (
	Protocol    = 1
	MinProtocol = 1
)

// frameType is the first thing a reader learns of a frame. The numbers of hello
// and welcome never change, whatever the protocol.
type frameType uint8

const (
	frameHello   frameType = 1
	frameWelcome frameType = 2
	frameAsk     frameType = 3
	frameHead    frameType = 4
	frameData    frameType = 5
	frameEnd     frameType = 6
	frameWait    frameType = 7 // the owner is alive, and waits itself
)

// The largest payload of each type, in bytes.
const (
	headerBytes   = 5 // length of the payload, type
	crcBytes      = 4
	maxDataBytes  = object.BlockBytes
	maxHelloBytes = 2 << 10
	maxAskBytes   = 16 << 10
	maxHeadBytes  = object.MaxInfoBytes + 1<<10
	maxEndBytes   = 2 << 10
)

var (
	errFrame = errors.New("malformed frame")
	errCRC   = errors.New("data frame fails its CRC32C")
)

// castagnoli is the polynomial that the store uses too; it has instructions of
// its own on amd64 and arm64.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func maxPayload(t frameType) int {
	switch t {
	case frameHello, frameWelcome:
		return maxHelloBytes
	case frameAsk:
		return maxAskBytes
	case frameHead:
		return maxHeadBytes
	case frameData:
		return crcBytes + maxDataBytes
	case frameEnd:
		return maxEndBytes
	case frameWait:
		return 0
	}
	return -1
}

// parseHeader reads a frame's header. The length it returns is within the
// maximum of the type, so it always fits a buffer.
func parseHeader(h *[headerBytes]byte) (t frameType, length int, err error) {
	n, t := binary.LittleEndian.Uint32(h[:]), frameType(h[4])
	if limit := maxPayload(t); limit < 0 || int64(n) > int64(limit) {
		return 0, 0, fmt.Errorf("%w: type %d, %d bytes", errFrame, t, n)
	}
	return t, int(n), nil
}

// beginFrame appends the header of a frame whose payload the caller appends
// next; endFrame, given the length of dst before, then writes its length.
func beginFrame(dst []byte, t frameType) []byte { return append(dst, 0, 0, 0, 0, byte(t)) }

func endFrame(dst []byte, start int) []byte {
	binary.LittleEndian.PutUint32(dst[start:], uint32(len(dst)-start-headerBytes))
	return dst
}

// sealData completes a data frame that begins at start and whose bytes stand
// behind the room for header and CRC already.
func sealData(dst []byte, start int) {
	data := dst[start+headerBytes+crcBytes:]
	dst[start+4] = byte(frameData)
	binary.LittleEndian.PutUint32(dst[start+headerBytes:], crc32.Checksum(data, castagnoli))
	endFrame(dst, start)
}
