"""Bills as PDF documents: laid out here, computed elsewhere."""

from billing_service.adapters.pdf.document import PdfBillRenderer

__all__ = ["PdfBillRenderer"]
