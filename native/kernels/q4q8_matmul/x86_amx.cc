// SPDX-License-Identifier: Apache-2.0
// q4q8_matmul with AMX. tdpbsud: activations signed, weights unsigned (0..15). It does not saturate, and int32 holds the sums
// of a group.
//
// Block: 32 rows x 2 panels x one group, as 2x2 tiles of sums (0 to 3), 2 tiles of activations (4, 5) and 2 of weights (6, 7).
// A step of 64 inputs loads four tiles, 32 cycles, for four tdpbsud, 64 cycles. A tile of activations is 16 rows where they
// lie. A tile of weights is 8 steps of a panel: the 64 bytes of each, unpacked, are two of its rows of 16 outputs x 4 inputs.
//
// Order: stripes of 96 rows, pairs of panels, groups, blocks. The weights of a group are unpacked once for the stripe, and
// stay in the first-level cache (48 KB) with the stripe's float totals and the sums of two blocks: 28 KB. At the full rate of
// products that leaves 32 bytes of activations a cycle to the second-level cache, and 5 of packed weights, of about 48 that it
// gives. A stripe of 64 rows x 4 panels would need 24, but its totals, weights and rows would not fit into the first.
//
// A block's float epilogue is some 350 vector instructions, and sums read right behind their tilestored would wait for it.
// So blocks pass through a pipeline. Between the products of one go shares of the epilogue of the block before the last, and
// of the preparation of the next: its activations are prefetched and its weights, if new, unpacked. llvm-mca, with a register's
// load or store for each row of a tile, estimates 310 cycles a block, 470 where it unpacks, for 256 of products. Not measured.
#include <immintrin.h>
#include <string.h>

#include "base/arch.h"
#include "kernels/math/amx.h"
#include "kernels/q4q8_matmul/avx512.h"
#include "kernels/q4q8_matmul/q4q8_matmul.h"

namespace lg {
namespace {

constexpr size_t kTileRows = 16;
constexpr size_t kTileRowBytes = 64;
constexpr size_t kTileBytes = kTileRows * kTileRowBytes;
constexpr size_t kTiles = 2;         // of rows in a block
constexpr size_t kPanels = 2;        // in a block
constexpr size_t kWidth = kPanels * kPanelRows;
constexpr size_t kBlockRows = kTiles * kTileRows;
constexpr size_t kShares = 4;        // of a block's epilogue, as many as steps in the largest group
constexpr size_t kShareRows = kBlockRows / kShares;
constexpr size_t kStripeBlocks = 3;

constexpr size_t Least(size_t a, size_t b) { return a < b ? a : b; }
constexpr size_t CeilDivide(size_t a, size_t b) { return (a + b - 1) / b; }

struct alignas(kTileRowBytes) Scratch {
  uint8_t weights[kPanels][kShares][kTileBytes];     // of one group, unpacked: [panel][step]
  int32_t sums[2][kBlockRows * kWidth];              // of every other block: [row][panel][16]
  float totals[kStripeBlocks][kBlockRows * kWidth];  // of a stripe; zeros before its first group
};

// What all blocks of a call have in common.
struct Call {
  explicit Call(const Q4Q8MatmulArgs& args)
      : a(args),
        groups(args.b.k / args.b.group),
        inputs(Least(args.b.group, kTileRowBytes)),
        steps(args.b.group / inputs),
        rows(Least(args.m, kTileRows)) {}

  const Q4Q8MatmulArgs& a;
  size_t groups;
  size_t inputs;  // along a tile of activations
  size_t steps;   // such tiles along a group
  size_t rows;    // of a tile of activations
};

void ConfigureTiles(const Call& call) {
  TileConfig config;
  for (int tile = 0; tile < 8; ++tile) {
    config.row_bytes[tile] = static_cast<uint16_t>(tile == 4 || tile == 5 ? call.inputs : kTileRowBytes);
    config.rows[tile] = static_cast<uint8_t>(tile < 6 ? call.rows : call.inputs / 4);
  }
  OrderMemory(&config);
  _tile_loadconfig(&config);
}

// Some rows of a block, from a first one on.
struct Share {
  size_t rows;
  const int32_t* corr;
  const float* inv;
  float* c;
};

struct BlockRows {
  const int8_t* q[kTiles];  // first row of each tile
  Share shares[kShares];    // without rows where the block has no second tile
  float* totals;
};

struct Block {
  const BlockRows* rows;
  size_t group, panel;
  size_t apart;      // of the second panel, from the first: 0 where an odd one is left, which is computed twice
  bool new_weights;  // the first block with this group and these panels
};

// While the pipeline fills, and while it drains.
constexpr BlockRows kNoRows = {};
constexpr Block kNoBlock = {&kNoRows, 0, 0, 0, false};

// Two tiles from row 32 * index on; where there is but one it is loaded twice. The last tile ends with the last row: rows
// that it shares with the tile before it get the same bits twice.
BlockRows RowsOf(const Call& call, size_t index, float* totals) {
  const Q4Q8MatmulArgs& a = call.a;
  BlockRows rows = {};
  rows.totals = totals;
  for (size_t t = 0; t < kTiles; ++t) {
    const size_t wanted = (index * kTiles + t) * kTileRows, first = Least(wanted, a.m - call.rows);
    rows.q[t] = a.a.q + first * a.a.q_stride;
    for (size_t r = 0; wanted < a.m && r < call.rows; r += kShareRows) {
      const size_t row = first + r;
      rows.shares[(t * kTileRows + r) / kShareRows] = {Least(kShareRows, call.rows - r), a.a.corr + row * a.a.corr_stride,
                                                       a.a.inv + row, a.c + row * a.c_stride};
    }
  }
  return rows;
}

class Pipeline {
 public:
  Pipeline(const Call& call, Scratch* scratch) : call_(call), scratch_(scratch) {}

  // Takes all blocks in their order, and three times kNoBlock, until the last one's epilogue is done.
  void Push(const Block& next) {
    if (current_.rows == &kNoRows) {
      Advance<false>(next);
    } else {
      Advance<true>(next);
    }
    finishing_ = waiting_;
    waiting_ = current_;
    current_ = next;
    odd_ ^= 1;
  }

 private:
  // Float operands of a group, by panel.
  struct Terms {
    __m512 scales[kPanels];
    __m512i pairs[kPanels];
  };

  // The tile instructions of the current block, if there is one, and between them the vector work of its neighbours.
  template <bool kMultiply>
  LG_ALWAYS_INLINE void Advance(const Block& next) {
    const size_t group = call_.a.b.group, q_stride = call_.a.a.q_stride, steps = call_.steps, shares = kShares / steps;
    const int8_t *q0 = current_.rows->q[0] + current_.group * group, *q1 = current_.rows->q[1] + current_.group * group;
    const int8_t *next0 = next.rows->q[0] + next.group * group, *next1 = next.rows->q[1] + next.group * group;
    int32_t* const sums = scratch_->sums[odd_];
    const Terms terms = LoadTerms();
    if (kMultiply) {
      _tile_zero(0);
      _tile_zero(1);
      _tile_zero(2);
      _tile_zero(3);
    }
    for (size_t step = 0; step < steps; ++step) {
      if (kMultiply) MultiplyStep(q0 + step * kTileRowBytes, q1 + step * kTileRowBytes, q_stride, scratch_->weights[0][step]);
      for (size_t i = step * shares; i < (step + 1) * shares; ++i) Finish(terms, i, sums);
      if (next.new_weights) Unpack(next, step);
      if (next0 != nullptr) Prefetch(next0 + step * kTileRowBytes, q_stride);
      if (next1 != next0) Prefetch(next1 + step * kTileRowBytes, q_stride);
    }
    if (kMultiply) {
      _tile_stored(0, sums, kWidth * sizeof *sums);
      _tile_stored(1, sums + kPanelRows, kWidth * sizeof *sums);
      _tile_stored(2, sums + kTileRows * kWidth, kWidth * sizeof *sums);
      _tile_stored(3, sums + kTileRows * kWidth + kPanelRows, kWidth * sizeof *sums);
    }
  }

  static LG_ALWAYS_INLINE void MultiplyStep(const int8_t* q0, const int8_t* q1, size_t q_stride, const uint8_t* w) {
    OrderMemory(w);
    _tile_loadd(6, w, kTileRowBytes);
    _tile_loadd(4, q0, q_stride);
    _tile_loadd(7, w + kShares * kTileBytes, kTileRowBytes);
    _tile_loadd(5, q1, q_stride);
    OrderMemory(w);
    _tile_dpbsud(0, 4, 6);
    _tile_dpbsud(1, 4, 7);
    _tile_dpbsud(2, 5, 6);
    _tile_dpbsud(3, 5, 7);
  }

  LG_ALWAYS_INLINE Terms LoadTerms() const {
    Terms terms;
    LG_UNROLL
    for (size_t p = 0; p < kPanels; ++p) {
      const size_t cell = ((finishing_.panel + p * finishing_.apart) * call_.groups + finishing_.group) * kPanelRows;
      terms.scales[p] = LoadScalesAvx512(call_.a.b, cell);
      terms.pairs[p] = LoadSumPairsAvx512(call_.a.b, cell);
    }
    return terms;
  }

  // A share of the epilogue.
  LG_ALWAYS_INLINE void Finish(const Terms& terms, size_t index, const int32_t* sums) const {
    const Share& share = finishing_.rows->shares[index];
    if (share.rows == 0) return;
    const size_t corr_stride = call_.a.a.corr_stride;
    const int32_t* const corr = share.corr + finishing_.group;
    float* const totals = finishing_.rows->totals + index * kShareRows * kWidth;
    sums += index * kShareRows * kWidth;
    if (share.rows == kShareRows) {
      LG_UNROLL
      for (size_t r = 0; r < kShareRows; ++r) AddRow(terms, corr[r * corr_stride], sums + r * kWidth, totals + r * kWidth);
    } else {
      for (size_t r = 0; r < share.rows; ++r) AddRow(terms, corr[r * corr_stride], sums + r * kWidth, totals + r * kWidth);
    }
    if (finishing_.group + 1 == call_.groups) WriteResults(share, totals);
  }

  static LG_ALWAYS_INLINE void AddRow(const Terms& terms, int32_t corr, const int32_t* sums, float* totals) {
    LG_UNROLL
    for (size_t p = 0; p < kPanels; ++p, sums += kPanelRows, totals += kPanelRows) {
      const __m512i sum = _mm512_dpwssd_epi32(_mm512_load_si512(sums), terms.pairs[p], _mm512_set1_epi32(corr));
      _mm512_store_ps(totals, _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), terms.scales[p], _mm512_load_ps(totals)));
    }
  }

  // Leaves zeros for the next panels.
  void WriteResults(const Share& share, float* totals) const {
    const size_t c_stride = call_.a.c_stride, second = finishing_.apart * kPanelRows;
    float* c = share.c + (finishing_.panel - call_.a.first_panel) * kPanelRows;
    for (size_t r = 0; r < share.rows; ++r, c += c_stride, totals += kWidth) {
      const __m512 inv = _mm512_set1_ps(share.inv[r]);
      _mm512_storeu_ps(c, _mm512_mul_ps(_mm512_load_ps(totals), inv));
      _mm512_storeu_ps(c + second, _mm512_mul_ps(_mm512_load_ps(totals + kPanelRows), inv));
      _mm512_store_ps(totals, _mm512_setzero_ps());
      _mm512_store_ps(totals + kPanelRows, _mm512_setzero_ps());
    }
  }

  // A step's weights, into the place of those that the tiles were just loaded from for the last time.
  LG_ALWAYS_INLINE void Unpack(const Block& next, size_t step) const {
    const PanelMatrix& b = call_.a.b;
    const size_t panel_bytes = PanelBytes(b.k), bytes = PanelBytes(call_.inputs);
    const uint8_t* w = b.q4 + next.panel * panel_bytes + PanelBytes(next.group * b.group + step * kTileRowBytes);
    for (size_t p = 0; p < kPanels; ++p, w += next.apart * panel_bytes) {
      uint8_t* const to = scratch_->weights[p][step];
      for (size_t i = 0; i < bytes; i += 4 * kStepBytes) {
        LG_UNROLL
        for (size_t j = i; j < i + 4 * kStepBytes; j += kStepBytes) UnpackStep(w + j, to + 2 * j);
      }
    }
  }

  static LG_ALWAYS_INLINE void UnpackStep(const uint8_t* w, uint8_t* to) {
    const __m512i low_nibbles = _mm512_set1_epi8(15), both = _mm512_loadu_si512(w);
    _mm_prefetch(reinterpret_cast<const char*>(w + 2048), _MM_HINT_T1);  // the next group of 256
    _mm512_store_si512(to, _mm512_and_si512(both, low_nibbles));
    _mm512_store_si512(to + kTileRowBytes, _mm512_and_si512(_mm512_srli_epi16(both, 4), low_nibbles));
  }

  // A tile of activations. The empty asm keeps the compiler from making sixteen multiples of the stride, for which it has
  // no registers.
  static LG_ALWAYS_INLINE void Prefetch(const int8_t* q, size_t q_stride) {
    LG_UNROLL
    for (size_t r = 0; r < kTileRows; r += 4, q += 4 * q_stride) {
      __asm__("" : "+r"(q));
      _mm_prefetch(reinterpret_cast<const char*>(q), _MM_HINT_T0);
      _mm_prefetch(reinterpret_cast<const char*>(q + q_stride), _MM_HINT_T0);
      _mm_prefetch(reinterpret_cast<const char*>(q + 2 * q_stride), _MM_HINT_T0);
      _mm_prefetch(reinterpret_cast<const char*>(q + 3 * q_stride), _MM_HINT_T0);
    }
  }

  const Call& call_;
  Scratch* const scratch_;
  Block finishing_ = kNoBlock, waiting_ = kNoBlock, current_ = kNoBlock;
  size_t odd_ = 0;
};

}  // namespace

void q4q8_matmul_32x32_amx(const Q4Q8MatmulArgs& a) {
  Scratch scratch;
  const Call call(a);
  ConfigureTiles(call);
  const size_t blocks = CeilDivide(a.m, kBlockRows), stripes = CeilDivide(blocks, kStripeBlocks);
  memset(scratch.totals, 0, Least(blocks, kStripeBlocks) * sizeof *scratch.totals);
  BlockRows rows[3][kStripeBlocks];  // of this stripe and of two before, whose last blocks the pipeline may have
  Pipeline pipeline(call, &scratch);
  for (size_t stripe = 0; stripe < stripes; ++stripe) {
    const size_t first = stripe * blocks / stripes, count = (stripe + 1) * blocks / stripes - first;
    BlockRows* const stripe_rows = rows[stripe % 3];
    for (size_t i = 0; i < count; ++i) stripe_rows[i] = RowsOf(call, first + i, scratch.totals[i]);
    for (size_t p = 0; p < a.panel_count; p += kPanels) {
      const size_t apart = p + 1 < a.panel_count ? 1 : 0;
      for (size_t group = 0; group < call.groups; ++group) {
        for (size_t i = 0; i < count; ++i) pipeline.Push({&stripe_rows[i], group, a.first_panel + p, apart, i == 0});
      }
    }
  }
  for (int i = 0; i < 3; ++i) pipeline.Push(kNoBlock);
  _tile_release();
}

}  // namespace lg
