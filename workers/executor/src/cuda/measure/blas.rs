//! Products by cuBLAS and cuBLASLt, which are loaded at run time.

use std::ffi::c_void;
use std::panic::catch_unwind;
use std::ptr::{from_ref, null_mut};

use cudarc::cublas::{result as of_floats, sys as floats};
use cudarc::cublaslt::{result as of_bytes, sys as bytes};

use super::shape::{Columns, Shape};
use super::{Blocks, Stopwatch};
use crate::ExecError;
use crate::cuda::driver::caught;

/// Memory that cuBLASLt may use besides: what NVIDIA recommends for its largest GPUs.
const WORKSPACE: usize = 32 << 20;

/// How cuBLAS multiplies floats of 32 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Math {
    /// With floats of 32 bits: no tensor cores.
    Floats,
    /// On tensor cores, which read 10 of the 23 bits behind the point.
    Tf32,
}

/// Both libraries, which work in the stopwatch's stream.
pub struct Blas<'a> {
    watch: &'a Stopwatch,
    floats: floats::cublasHandle_t,
    bytes: bytes::cublasLtHandle_t,
    workspace: Blocks<'a>,
}

/// Runs something of the libraries.
fn library<T, E: std::fmt::Debug>(doing: &'static str, run: impl FnOnce() -> Result<T, E>) -> Result<T, ExecError> {
    caught(doing, "the library lacks a function", run, |error| format!("{error:?}"))
}

impl<'a> Blas<'a> {
    /// Loads the libraries.
    ///
    /// # Errors
    /// If one of them is not there, or does not work with this driver.
    pub fn open(watch: &'a Stopwatch) -> Result<Self, ExecError> {
        // SAFETY: looks for a library by name; the library's own start-up code is trusted.
        let floats_there = catch_unwind(|| unsafe { floats::is_culib_present() }).unwrap_or(false);
        // SAFETY: as above.
        let bytes_there = catch_unwind(|| unsafe { bytes::is_culib_present() }).unwrap_or(false);
        for (library, there) in [("libcublas.so", floats_there), ("libcublasLt.so", bytes_there)] {
            if !there {
                let error = format!("{library} was not found: install it, or put its folder into LD_LIBRARY_PATH");
                return Err(ExecError::Driver { doing: "load cuBLAS", error });
            }
        }
        let mut workspace = watch.blocks();
        workspace.add(WORKSPACE)?;
        let mut this = Self { watch, floats: null_mut(), bytes: null_mut(), workspace };
        library("open cuBLAS", || watch.pool().context().bind_to_thread())?;
        this.floats = library("open cuBLAS", of_floats::create_handle)?;
        this.bytes = library("open cuBLASLt", of_bytes::create_handle)?;
        // SAFETY: both exist, and the stream outlives the handle: it is the stopwatch's.
        let set = || unsafe { of_floats::set_stream(this.floats, watch.stream.cu_stream().cast()) };
        library("give cuBLAS a stream", set)?;
        Ok(this)
    }

    /// The version of cuBLAS, for example 130000.
    ///
    /// # Errors
    /// If it does not tell.
    pub fn version(&self) -> Result<i32, ExecError> {
        let mut version = 0;
        // SAFETY: the handle exists, and one integer is written.
        let ask = || unsafe { floats::cublasGetVersion_v2(self.floats, &mut version) }.result();
        library("ask cuBLAS for its version", ask)?;
        Ok(version)
    }

    /// A product of floats of 32 bits, in the byte order of the GPU.
    ///
    /// # Errors
    /// If there are not as many bytes as the shape says, or the GPU has no room.
    pub fn floats(&self, shape: Shape, x: &[u8], w: &[u8]) -> Result<FloatsProduct<'_>, ExecError> {
        let columns = shape.columns()?;
        Ok(FloatsProduct { blas: self, columns, operands: self.operands(shape, size_of::<f32>(), x, w)? })
    }

    /// A product of bytes with signs, whose sums are whole numbers of 32 bits. The algorithm is the one that the library's heuristic
    /// names first.
    ///
    /// # Errors
    /// If there are not as many bytes as the shape says, the GPU has no room, or the library has no algorithm.
    pub fn bytes(&self, shape: Shape, x: &[u8], w: &[u8]) -> Result<BytesProduct<'_>, ExecError> {
        let columns = shape.columns()?;
        let operands = self.operands(shape, 1, x, w)?;
        BytesProduct::new(self, &columns, operands)
    }

    fn operands(&self, shape: Shape, size: usize, x: &[u8], w: &[u8]) -> Result<Operands<'_>, ExecError> {
        let [of_x, of_w, of_y] = shape.values();
        if [x.len(), w.len()] != [of_x * size, of_w * size] {
            let found = format!("{} and {} bytes", x.len(), w.len());
            return Err(ExecError::Plan(format!("a product of {shape:?} with values of {size} bytes: found {found}")));
        }
        let mut blocks = self.watch.blocks();
        blocks.add_copy(x)?;
        blocks.add_copy(w)?;
        // Sums have four bytes, floats or not.
        blocks.add(of_y * 4)?;
        Ok(Operands { blocks, len: of_y * 4 })
    }
}

impl Drop for Blas<'_> {
    fn drop(&mut self) {
        if self.watch.broken.get() {
            return;
        }
        let close = || {
            if !self.bytes.is_null() {
                // SAFETY: it exists, and goes once.
                library("close cuBLASLt", || unsafe { of_bytes::destroy_handle(self.bytes) })?;
            }
            if !self.floats.is_null() {
                // SAFETY: it exists, and goes once.
                library("close cuBLAS", || unsafe { of_floats::destroy_handle(self.floats) })?;
            }
            Ok::<(), ExecError>(())
        };
        if let Err(error) = close() {
            tracing::debug!(%error, "a library was not closed");
        }
    }
}

/// x, w and y on the GPU.
struct Operands<'a> {
    blocks: Blocks<'a>,
    /// Bytes of y.
    len: usize,
}

impl Operands<'_> {
    /// Where x, w and y are.
    fn at(&self) -> [u64; 3] {
        [0, 1, 2].map(|i: usize| self.blocks.blocks[i].at)
    }

    fn output(&self) -> Result<Vec<u8>, ExecError> {
        self.blocks.watch.read(&self.blocks.blocks[2], self.len)
    }
}

/// A product of floats by cuBLAS.
pub struct FloatsProduct<'a> {
    blas: &'a Blas<'a>,
    columns: Columns,
    operands: Operands<'a>,
}

impl FloatsProduct<'_> {
    /// Seconds that the product takes, run `times` times.
    ///
    /// # Errors
    /// If the library fails.
    pub fn time(&self, math: Math, times: u32) -> Result<f64, ExecError> {
        let handle = self.blas.floats;
        let mode = match math {
            Math::Floats => floats::cublasMath_t::CUBLAS_DEFAULT_MATH,
            Math::Tf32 => floats::cublasMath_t::CUBLAS_TF32_TENSOR_OP_MATH,
        };
        // SAFETY: the handle exists.
        library("choose cuBLAS' arithmetic", || unsafe { floats::cublasSetMathMode(handle, mode) }.result())?;
        let operation = |transpose| {
            if transpose { floats::cublasOperation_t::CUBLAS_OP_T } else { floats::cublasOperation_t::CUBLAS_OP_N }
        };
        let Columns { transpose_a, transpose_b, m, n, k, lda, ldb, ldc } = self.columns;
        let [x, w, y] = self.operands.at();
        self.blas.watch.time(times, |_| {
            let multiply = || {
                // SAFETY: the handle exists and has the stream. The blocks are as large as the shape says, of which these sizes
                // were made, and outlive the stream's work. The factors are read before the call returns: pointers of the host
                // are the handle's default.
                unsafe {
                    of_floats::sgemm(
                        handle,
                        operation(transpose_a),
                        operation(transpose_b),
                        m,
                        n,
                        k,
                        &1.0,
                        w as *const f32,
                        lda,
                        x as *const f32,
                        ldb,
                        &0.0,
                        y as *mut f32,
                        ldc,
                    )
                }
            };
            library("multiply floats by cuBLAS", multiply)
        })
    }

    /// y as it is now: floats of 32 bits, row by row.
    ///
    /// # Errors
    /// If the driver fails.
    pub fn output(&self) -> Result<Vec<u8>, ExecError> {
        self.operands.output()
    }
}

/// What describes something to cuBLASLt, and how it is given up.
struct Described<T: Copy>(T, unsafe fn(T) -> Result<(), of_bytes::CublasError>);

impl<T: Copy> Drop for Described<T> {
    fn drop(&mut self) {
        // SAFETY: it exists, and goes once; nothing of the GPU refers to it.
        if let Err(error) = library("forget a description", || unsafe { (self.1)(self.0) }) {
            tracing::debug!(%error, "a description was not given up");
        }
    }
}

type Layout = Described<bytes::cublasLtMatrixLayout_t>;

fn layout(kind: bytes::cudaDataType, rows: i32, columns: i32, apart: i32) -> Result<Layout, ExecError> {
    let new = || of_bytes::create_matrix_layout(kind, rows as u64, columns as u64, i64::from(apart));
    Ok(Described(library("describe a matrix", new)?, of_bytes::destroy_matrix_layout))
}

/// A product of bytes by cuBLASLt.
pub struct BytesProduct<'a> {
    blas: &'a Blas<'a>,
    operands: Operands<'a>,
    product: Described<bytes::cublasLtMatmulDesc_t>,
    /// Of w, x and y.
    layouts: [Layout; 3],
    algorithm: bytes::cublasLtMatmulAlgo_t,
}

impl<'a> BytesProduct<'a> {
    fn new(blas: &'a Blas<'a>, of: &Columns, operands: Operands<'a>) -> Result<Self, ExecError> {
        use bytes::cublasLtMatmulDescAttributes_t as Attribute;
        use bytes::cudaDataType::{CUDA_R_8I, CUDA_R_32I};
        let new = || of_bytes::create_matmul_desc(bytes::cublasComputeType_t::CUBLAS_COMPUTE_32I, CUDA_R_32I);
        let product = Described(library("describe a product", new)?, of_bytes::destroy_matmul_desc as _);
        let transposed = [
            (Attribute::CUBLASLT_MATMUL_DESC_TRANSA, of.transpose_a),
            (Attribute::CUBLASLT_MATMUL_DESC_TRANSB, of.transpose_b),
        ];
        for (attribute, transpose) in transposed {
            // CUBLAS_OP_T is 1, CUBLAS_OP_N is 0, of 32 bits.
            let operation = i32::from(transpose);
            let value = from_ref(&operation).cast::<c_void>();
            // SAFETY: the description exists, and the attribute has the four bytes that are read.
            let set = || unsafe { of_bytes::set_matmul_desc_attribute(product.0, attribute, value, size_of::<i32>()) };
            library("describe a product", set)?;
        }
        // As the matrices are stored, before A is transposed.
        let stored = |transpose, rows, columns| if transpose { (columns, rows) } else { (rows, columns) };
        let (a, b) = (stored(of.transpose_a, of.m, of.k), stored(of.transpose_b, of.k, of.n));
        let layouts = [
            layout(CUDA_R_8I, a.0, a.1, of.lda)?,
            layout(CUDA_R_8I, b.0, b.1, of.ldb)?,
            layout(CUDA_R_32I, of.m, of.n, of.ldc)?,
        ];
        let wish = library("describe a wish", of_bytes::create_matmul_pref)?;
        let wish = Described(wish, of_bytes::destroy_matmul_pref);
        let attribute = bytes::cublasLtMatmulPreferenceAttributes_t::CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES;
        let most = from_ref(&WORKSPACE).cast::<c_void>();
        // SAFETY: the wish exists, and the attribute has the eight bytes that are read.
        let set = || unsafe { of_bytes::set_matmul_pref_attribute(wish.0, attribute, most, size_of::<usize>()) };
        library("describe a wish", set)?;
        let [a, b, c] = [0, 1, 2].map(|i: usize| layouts[i].0);
        // SAFETY: everything exists; D has the layout of C.
        let choose = || unsafe { of_bytes::get_matmul_algo_heuristic(blas.bytes, product.0, a, b, c, c, wish.0) };
        let algorithm = library("choose an algorithm of cuBLASLt", choose)?.algo;
        Ok(Self { blas, operands, product, layouts, algorithm })
    }

    /// Seconds that the product takes, run `times` times.
    ///
    /// # Errors
    /// If the library fails.
    pub fn time(&self, times: u32) -> Result<f64, ExecError> {
        let (one, zero) = (1i32, 0i32);
        let [x, w, y] = self.operands.at();
        let [a, b, c] = [0, 1, 2].map(|i: usize| self.layouts[i].0);
        let workspace = self.blas.workspace.blocks[0].at;
        self.blas.watch.time(times, |stream| {
            let multiply = || {
                // SAFETY: everything exists. The blocks are as large as the layouts say, the workspace as large as the algorithm
                // was told, and all outlive the stream's work, which uses the workspace for one product at a time. C is not read,
                // since its factor is 0, and may be D. Factors are whole numbers, as the description says, and are read before
                // the call returns: pointers of the host are the description's default.
                unsafe {
                    of_bytes::matmul(
                        self.blas.bytes,
                        self.product.0,
                        from_ref(&one).cast(),
                        from_ref(&zero).cast(),
                        w as *const c_void,
                        a,
                        x as *const c_void,
                        b,
                        y as *const c_void,
                        c,
                        y as *mut c_void,
                        c,
                        &self.algorithm,
                        workspace as *mut c_void,
                        WORKSPACE,
                        stream.cu_stream().cast(),
                    )
                }
            };
            library("multiply bytes by cuBLASLt", multiply)
        })
    }

    /// y as it is now: whole numbers of 32 bits, row by row.
    ///
    /// # Errors
    /// If the driver fails.
    pub fn output(&self) -> Result<Vec<u8>, ExecError> {
        self.operands.output()
    }
}
