//! A stand-in for the part of cuBLAS and cuBLASLt that measurements use: products of matrices whose columns lie one behind the
//! other, in the memory of the fake devices. A test links `libcublas.so` and `libcublasLt.so` to the file of `libcuda.so`, so that
//! all three are one library with one memory.
//!
//! It takes what NVIDIA's documentation says that the libraries take, and refuses all else. Floats are summed in double precision,
//! in another order and with other roundings than kernels do.

use std::collections::HashMap;
use std::ffi::{c_float, c_int, c_void};
use std::sync::{Mutex, OnceLock};

use tessera_ptx::FaultKind;

use crate::status::{INVALID_HANDLE, Status};
use crate::stream::Job;
use crate::world::{Device, find, lock, world};
use crate::{put, settings};

/// `cublasStatus_t`.
const SUCCESS: Status = 0;
const NOT_INITIALIZED: Status = 1;
const INVALID: Status = 7;
const NOT_SUPPORTED: Status = 15;
/// `cublasOperation_t`.
const OP_N: c_int = 0;
const OP_T: c_int = 1;
/// `cublasComputeType_t` and `cudaDataType_t`.
const COMPUTE_32I: c_int = 72;
const R_8I: c_int = 3;
const R_32I: c_int = 10;
/// Attributes of products and of preferences.
const TRANSA: c_int = 3;
const TRANSB: c_int = 4;
const MAX_WORKSPACE: c_int = 1;
/// Bytes of workspace that the algorithm here wants, so that one which is not given shows.
const WORKSPACE: usize = 1 << 10;

/// A matrix as a product reads it.
#[derive(Clone, Copy)]
struct Operand {
    at: u64,
    transposed: bool,
    /// Elements from one column to the next.
    apart: usize,
}

/// C = op(A) op(B) with `m` rows, `n` columns and sums of `k` products.
#[derive(Clone)]
pub struct Product {
    a: Operand,
    b: Operand,
    c: u64,
    apart: usize,
    sizes: [usize; 3],
    floats: bool,
}

impl Product {
    pub fn run(&self, device: &Device) -> Result<(), Status> {
        let [m, n, k] = self.sizes;
        let a = self.read(device, &self.a, if self.a.transposed { (k, m) } else { (m, k) })?;
        let b = self.read(device, &self.b, if self.b.transposed { (n, k) } else { (k, n) })?;
        let element = |of: &Operand, values: &[f64], i: usize, j: usize| {
            if of.transposed { values[j + i * of.apart] } else { values[i + j * of.apart] }
        };
        for j in 0..n {
            let sum = |i| (0..k).map(|l| element(&self.a, &a, i, l) * element(&self.b, &b, l, j)).sum::<f64>();
            let column: Vec<u8> = (0..m)
                .map(sum)
                .flat_map(|sum: f64| if self.floats { (sum as f32).to_le_bytes() } else { (sum as i32).to_le_bytes() })
                .collect();
            device.with_memory(|memory| memory.write(self.c + (j * self.apart * 4) as u64, &column))?;
        }
        settings::log(if self.floats { "ran sgemm" } else { "ran igemm" });
        Ok(())
    }

    /// Elements of a matrix that is stored with so many rows and columns, with what lies between the columns.
    fn read(&self, device: &Device, of: &Operand, (rows, columns): (usize, usize)) -> Result<Vec<f64>, Status> {
        let len = of.apart * (columns - 1) + rows;
        let mut bytes = vec![0; if self.floats { len * 4 } else { len }];
        device.with_memory(|memory| -> Result<(), FaultKind> { memory.read(of.at, &mut bytes) })?;
        Ok(match self.floats {
            true => bytes.as_chunks().0.iter().map(|bytes| f64::from(f32::from_le_bytes(*bytes))).collect(),
            false => bytes.iter().map(|byte| f64::from(byte.cast_signed())).collect(),
        })
    }
}

/// What stands behind a pointer that the libraries give.
#[derive(Clone)]
enum Handle {
    Floats {
        stream: usize,
    },
    Bytes,
    /// A product of cuBLASLt: compute type, scale type, operations of A and B.
    Description([c_int; 2], [c_int; 2]),
    /// Type, rows, columns, elements from one column to the next.
    Layout(c_int, usize, usize, usize),
    /// Most bytes of workspace.
    Preference(usize),
}

fn handles() -> &'static Mutex<HashMap<usize, Handle>> {
    static HANDLES: OnceLock<Mutex<HashMap<usize, Handle>>> = OnceLock::new();
    HANDLES.get_or_init(Mutex::default)
}

/// Gives a handle.
///
/// # Safety
/// `to` is null or valid for a write.
unsafe fn give(to: *mut usize, handle: Handle) -> Status {
    // SAFETY: the caller vouches for it.
    unsafe { put(to, world().add(handles(), handle)) }
}

fn forget(handle: usize) -> Status {
    if lock(handles()).remove(&handle).is_some() { SUCCESS } else { NOT_INITIALIZED }
}

/// The sizes m, n and k of a product of cuBLASLt, if the library has one for it: A transposed and B not, elements of a byte, sums of
/// 32 bits, rows of A and B of whole words.
fn sizes(product: usize, [a, b, c, d]: [usize; 4]) -> Result<[usize; 3], Status> {
    let found = |handle| find(handles(), handle).map_err(|_| INVALID);
    let (Handle::Description(types, operations), Handle::Layout(of_a, k, m, lda), Handle::Layout(of_b, k_of_b, n, ldb)) =
        (found(product)?, found(a)?, found(b)?)
    else {
        return Err(INVALID);
    };
    for c in [c, d] {
        let Handle::Layout(of_c, rows, columns, apart) = found(c)? else { return Err(INVALID) };
        if of_c != R_32I || apart < rows || apart % 4 != 0 {
            return Err(NOT_SUPPORTED);
        }
        if (rows, columns) != (m, n) {
            return Err(INVALID);
        }
    }
    let kinds = types == [COMPUTE_32I, R_32I] && operations == [OP_T, OP_N] && of_a == R_8I && of_b == R_8I;
    if !kinds || [m, k, lda, ldb].iter().any(|size| size % 4 != 0) {
        return Err(NOT_SUPPORTED);
    }
    if k != k_of_b || lda < k || ldb < k { Err(INVALID) } else { Ok([m, n, k]) }
}

fn push(stream: usize, product: Product) -> Status {
    let pushed = find(&world().streams, stream).and_then(|stream| stream.push(Job::Product(product)));
    pushed.map_or_else(|error| if error == INVALID_HANDLE { INVALID } else { error }, |()| SUCCESS)
}

fn status(done: Result<Status, Status>) -> Status {
    done.unwrap_or_else(|error| error)
}

driver! {
    /// Opens cuBLAS in the current context.
    fn cublasCreate_v2(handle: *mut usize) {
        if world().healthy().is_err() {
            return NOT_INITIALIZED;
        }
        // SAFETY: valid by the contract of the API.
        unsafe { give(handle, Handle::Floats { stream: 0 }) }
    }

    /// Closes cuBLAS.
    fn cublasDestroy_v2(handle: usize) {
        forget(handle)
    }

    /// The version of cuBLAS.
    fn cublasGetVersion_v2(_handle: usize, version: *mut c_int) {
        // SAFETY: valid by the contract of the API.
        unsafe { put(version, 130_000) }
    }

    /// The stream in which cuBLAS works from now on.
    fn cublasSetStream_v2(handle: usize, new: usize) {
        match lock(handles()).get_mut(&handle) {
            Some(Handle::Floats { stream }) => {
                *stream = new;
                SUCCESS
            }
            _ => NOT_INITIALIZED,
        }
    }

    /// The arithmetic of cuBLAS, which is the same here.
    fn cublasSetMathMode(_handle: usize, mode: c_int) {
        settings::log(&format!("math {mode}"));
        SUCCESS
    }

    /// A product of floats; factors other than 1 and 0 are not supported here.
    fn cublasSgemm_v2(
        handle: usize, op_a: c_int, op_b: c_int, m: c_int, n: c_int, k: c_int,
        alpha: *const c_float, a: u64, lda: c_int, b: u64, ldb: c_int, beta: *const c_float, c: u64, ldc: c_int,
    ) {
        let Ok(Handle::Floats { stream }) = find(handles(), handle) else { return NOT_INITIALIZED };
        // SAFETY: valid by the contract of the API: the handle's mode is that of pointers of the host.
        let factors = unsafe { [*alpha, *beta] };
        let least = |op, rows, columns| if op == OP_N { rows } else { columns };
        let wrong = [m, n, k].iter().any(|size| *size <= 0)
            || [op_a, op_b].iter().any(|op| ![OP_N, OP_T].contains(op))
            || lda < least(op_a, m, k) || ldb < least(op_b, k, n) || ldc < m;
        if wrong {
            return INVALID;
        }
        if factors != [1.0, 0.0] {
            return NOT_SUPPORTED;
        }
        let operand = |at, op, apart: c_int| Operand { at, transposed: op == OP_T, apart: apart as usize };
        let sizes = [m, n, k].map(|size| size as usize);
        let (a, b) = (operand(a, op_a, lda), operand(b, op_b, ldb));
        push(stream, Product { a, b, c, apart: ldc as usize, sizes, floats: true })
    }

    /// Opens cuBLASLt.
    fn cublasLtCreate(handle: *mut usize) {
        if world().healthy().is_err() {
            return NOT_INITIALIZED;
        }
        // SAFETY: valid by the contract of the API.
        unsafe { give(handle, Handle::Bytes) }
    }

    /// Closes cuBLASLt.
    fn cublasLtDestroy(handle: usize) {
        forget(handle)
    }

    /// Describes a product.
    fn cublasLtMatmulDescCreate(product: *mut usize, compute: c_int, scale: c_int) {
        // SAFETY: valid by the contract of the API.
        unsafe { give(product, Handle::Description([compute, scale], [OP_N; 2])) }
    }

    /// Says more about a product: which matrices are transposed.
    fn cublasLtMatmulDescSetAttribute(product: usize, attribute: c_int, value: *const c_int, len: usize) {
        if len != size_of::<c_int>() {
            return INVALID;
        }
        // SAFETY: valid by the contract of the API: `len` bytes.
        let value = unsafe { value.read_unaligned() };
        match (lock(handles()).get_mut(&product), attribute) {
            (Some(Handle::Description(_, operations)), TRANSA | TRANSB) => {
                operations[usize::from(attribute == TRANSB)] = value;
                SUCCESS
            }
            _ => INVALID,
        }
    }

    /// Forgets a product.
    fn cublasLtMatmulDescDestroy(product: usize) {
        forget(product)
    }

    /// Describes a matrix with columns one behind the other.
    fn cublasLtMatrixLayoutCreate(layout: *mut usize, kind: c_int, rows: u64, columns: u64, apart: i64) {
        if rows == 0 || columns == 0 || apart <= 0 {
            return INVALID;
        }
        // SAFETY: valid by the contract of the API.
        unsafe { give(layout, Handle::Layout(kind, rows as usize, columns as usize, apart as usize)) }
    }

    /// Forgets a matrix.
    fn cublasLtMatrixLayoutDestroy(layout: usize) {
        forget(layout)
    }

    /// Describes what is wished of an algorithm.
    fn cublasLtMatmulPreferenceCreate(preference: *mut usize) {
        // SAFETY: valid by the contract of the API.
        unsafe { give(preference, Handle::Preference(0)) }
    }

    /// Says how much workspace there is.
    fn cublasLtMatmulPreferenceSetAttribute(preference: usize, attribute: c_int, value: *const usize, len: usize) {
        match lock(handles()).get_mut(&preference) {
            Some(Handle::Preference(most)) if attribute == MAX_WORKSPACE && len == size_of::<usize>() => {
                // SAFETY: valid by the contract of the API: `len` bytes.
                *most = unsafe { value.read_unaligned() };
                SUCCESS
            }
            _ => INVALID,
        }
    }

    /// Forgets a wish.
    fn cublasLtMatmulPreferenceDestroy(preference: usize) {
        forget(preference)
    }

    /// The one algorithm, for products that the library has one for. Results have 64 bytes for the algorithm, the bytes of
    /// workspace, a status and more.
    fn cublasLtMatmulAlgoGetHeuristic(
        handle: usize, product: usize, a: usize, b: usize, c: usize, d: usize, preference: usize,
        most: c_int, results: *mut u64, count: *mut c_int,
    ) {
        let choose = || {
            let (Ok(Handle::Bytes), Ok(Handle::Preference(workspace))) = (find(handles(), handle), find(handles(), preference))
            else {
                return Err(NOT_INITIALIZED);
            };
            sizes(product, [a, b, c, d])?;
            if most < 1 || workspace < WORKSPACE {
                return Err(NOT_SUPPORTED);
            }
            // SAFETY: valid by the contract of the API: there is room for a result, which has 96 bytes.
            unsafe {
                results.write_bytes(0, 12);
                results.add(8).write(WORKSPACE as u64);
                Ok(put(count, 1))
            }
        };
        status(choose())
    }

    /// A product of bytes; factors other than 1 and 0 are not supported here.
    fn cublasLtMatmul(
        handle: usize, product: usize, alpha: *const c_int, a: u64, of_a: usize, b: u64, of_b: usize,
        beta: *const c_int, c: u64, of_c: usize, d: u64, of_d: usize,
        _algorithm: *const c_void, workspace: u64, workspace_len: usize, stream: usize,
    ) {
        let multiply = || {
            let Ok(Handle::Bytes) = find(handles(), handle) else { return Err(NOT_INITIALIZED) };
            let sizes = sizes(product, [of_a, of_b, of_c, of_d])?;
            // SAFETY: valid by the contract of the API: the description's mode is that of pointers of the host.
            let factors = unsafe { [*alpha, *beta] };
            if factors != [1, 0] || [a, b, c, d].iter().any(|at| at % 4 != 0) {
                return Err(NOT_SUPPORTED);
            }
            if workspace == 0 || workspace_len < WORKSPACE {
                return Err(INVALID);
            }
            let apart = |layout| match find(handles(), layout) {
                Ok(Handle::Layout(_, _, _, apart)) => Ok(apart),
                _ => Err(INVALID),
            };
            let a = Operand { at: a, transposed: true, apart: apart(of_a)? };
            let b = Operand { at: b, transposed: false, apart: apart(of_b)? };
            Ok(push(stream, Product { a, b, c: d, apart: apart(of_d)?, sizes, floats: false }))
        };
        status(multiply())
    }
}
